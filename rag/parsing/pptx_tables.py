"""Writes into the slides of a PPTX file the text of cells that are merged over several rows, in each row.

xberg reads only the first. The parts are not written anew: pieces are put into their bytes.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from xml.parsers import expat

from rag.parsing.docx_body import Edits, edited

_SLIDE = re.compile(r"ppt/slides/slide\d{1,9}\.xml", re.IGNORECASE)
_MEDIA = "ppt/media/"
_MERGED = b"vMerge="
_LONGEST_MERGED = 1_000  # characters
_MOST_MERGED = 1 << 20  # characters, in all cells of a slide that are filled
_LARGEST_SLIDE = 16 << 20


def with_filled_cells(data: bytes) -> bytes:
    """The file with merged cells filled; ``data`` itself where none is merged. Raises ExpatError."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        filled = dict(_filled(archive))
        if not filled:
            return data
        rewritten = BytesIO()
        with zipfile.ZipFile(rewritten, "w") as copy:
            for entry in archive.infolist():
                if not entry.filename.startswith(_MEDIA):
                    copy.writestr(entry.filename, filled.get(entry.filename) or archive.read(entry))
    return rewritten.getvalue()


def _filled(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for entry in archive.infolist():
        if _SLIDE.fullmatch(entry.filename) and entry.file_size <= _LARGEST_SLIDE:
            slide = archive.read(entry)
            if _MERGED in slide and slide.lstrip()[:1] == b"<" and (edits := _MergeReader().edits_of(slide)):
                yield entry.filename, edited(slide, edits)


@dataclass(slots=True)
class _Table:
    """A table being read. ``above``: the texts in each column, of the row above or of a merged cell."""

    above: dict[int, str] = field(default_factory=dict)
    column: int = -1
    merged: bool = False
    text: list[str] = field(default_factory=list)


class _MergeReader:
    """Follows the tables of a slide; no table stands within a cell there."""

    def __init__(self) -> None:
        self._edits: list[tuple[int, int, str]] = []
        self._table: _Table | None = None
        self._in_text = False
        self._room = _MOST_MERGED
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._take_text

    def edits_of(self, slide: bytes) -> Edits:
        self._parser.Parse(slide, True)
        return self._edits

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._in_text = name == "a:t"
        if name == "a:tbl":
            self._table = _Table()
        elif self._table and name == "a:tr":
            self._table.column = -1
        elif self._table and name == "a:tc":
            self._table.column += 1
            self._table.merged = attributes.get("vMerge") in ("1", "true") and "hMerge" not in attributes
            self._table.text = []
        elif self._table and name == "a:p" and self._table.text:
            self._table.text.append(" ")

    def _take_text(self, text: str) -> None:
        if self._in_text and self._table:
            self._table.text.append(text)

    def _end(self, name: str) -> None:
        self._in_text = False
        table = self._table
        if name == "a:tbl":
            self._table = None
        elif table and name == "a:txBody" and table.merged:
            self._fill(table)
        elif table and name == "a:tc" and not table.merged:
            table.above[table.column] = "".join(table.text).strip()[:_LONGEST_MERGED]

    def _fill(self, table: _Table) -> None:
        above = table.above.get(table.column, "")
        if above and not "".join(table.text).strip() and len(above) <= self._room:
            self._room -= len(above)
            at = self._parser.CurrentByteIndex
            self._edits.append((at, at, f"<a:p><a:r><a:t>{escape(above, quote=False)}</a:t></a:r></a:p>"))
