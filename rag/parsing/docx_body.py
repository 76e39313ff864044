"""Writes into a DOCX file's main part what Word shows and the part does not say.

These are the numbers of paragraphs, and in each row the text of a cell that is merged over several rows.
xberg reads neither. The part is not written anew: pieces are put into its bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from xml.parsers import expat

from rag.parsing.docx_numbering import Numbering, place_of

Edits = Sequence[tuple[int, int, str]]
"""Starts and ends in the bytes, ascending, and what belongs there instead."""

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Private-use characters around a number, so that :func:`with_numbers` finds it."""

_NUMBERED = re.compile(f"(?:\\d{{1,9}}[.)] )?{_OPEN}([^{_CLOSE}\n]{{1,80}}){_CLOSE}")
_END_OF_MERGE = b"</w:vMerge>"
_LONGEST_MERGED = 1_000  # characters
_MOST_MERGED = 1 << 20  # characters, in all cells that are filled


def with_marked_numbers(body: bytes, numbering: Numbering) -> bytes:
    """``body``, UTF-8, with a marked number before each paragraph that has one. Raises ExpatError."""
    if not numbering.instances:
        return body
    reader = _NumberReader(numbering)
    return edited(body, reader.edits_of(body))


def with_numbers(markdown: str) -> str:
    """``markdown`` with the marked numbers in place of those that its converter counted."""
    return _NUMBERED.sub(r"\1 ", markdown)


def with_filled_cells(body: bytes) -> bytes:
    """``body``, UTF-8, with the text of merged cells in each of their rows. Raises ExpatError."""
    if b"<w:vMerge" not in body:
        return body
    return edited(body, _MergeReader().edits_of(body))


def edited(body: bytes, edits: Edits) -> bytes:
    """``body`` with the edits made."""
    pieces: list[bytes] = []
    position = 0
    for start, end, text in edits:
        pieces += (body[position:start], text.encode())
        position = end
    return b"".join((*pieces, body[position:]))


class _NumberReader:
    """Follows the paragraphs; the properties of one come before its text."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._edits: list[tuple[int, int, str]] = []
        self._stated: dict[str, str] | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def edits_of(self, body: bytes) -> Edits:
        self._parser.Parse(body, True)
        return self._edits

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "w:pPr":
            self._stated = {}
        elif self._stated is not None and name in ("w:pStyle", "w:numId", "w:ilvl"):
            # a tracked change keeps the former properties behind the present ones
            self._stated.setdefault(name, attributes.get("w:val", ""))

    def _end(self, name: str) -> None:
        if name != "w:pPr" or self._stated is None:
            return
        own = place_of(self._stated.get("w:numId", ""), self._stated.get("w:ilvl", ""))
        number = self._numbering.number_of(own, self._stated.get("w:pStyle", ""))
        self._stated = None
        if number:
            after = self._parser.CurrentByteIndex + len("</w:pPr>")
            run = f"<w:r><w:t>{_OPEN}{escape(number, quote=False)}{_CLOSE}</w:t></w:r>"
            self._edits.append((after, after, run))


@dataclass(slots=True)
class _Table:
    """A table being read. ``above``: texts of merged cells by column; the others are of the present cell."""

    above: dict[int, str] = field(default_factory=dict)
    column: int = 0
    span: int = 1
    merge: str = ""
    mark: tuple[int, int] = (0, 0)  # where the element stands that merges
    text: list[str] = field(default_factory=list)


class _MergeReader:
    """Follows the tables, and those within their cells."""

    def __init__(self) -> None:
        self._edits: list[tuple[int, int, str]] = []
        self._body = b""
        self._tables: list[_Table] = []
        self._in_text = False
        self._room = _MOST_MERGED
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._take_text

    def edits_of(self, body: bytes) -> Edits:
        self._body = body
        self._parser.Parse(body, True)
        return self._edits

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._in_text = name == "w:t"
        if name == "w:tbl":
            self._tables.append(_Table())
        if not self._tables:
            return
        table = self._tables[-1]
        if name == "w:tr":
            table.column = 0
        elif name == "w:tc":
            table.span, table.merge, table.text = 1, "", []
        elif name == "w:gridSpan" and attributes.get("w:val", "").isdecimal():
            table.span = int(attributes["w:val"][:4])
        elif name == "w:vMerge":
            table.merge = attributes.get("w:val", "continue")
            table.mark = self._element_at(self._parser.CurrentByteIndex)

    def _element_at(self, start: int) -> tuple[int, int]:
        end = self._body.find(b">", start) + 1
        return start, end + len(_END_OF_MERGE) * self._body.startswith(_END_OF_MERGE, end)

    def _take_text(self, text: str) -> None:
        if self._in_text and self._tables:
            self._tables[-1].text.append(text)

    def _end(self, name: str) -> None:
        self._in_text = False
        if name == "w:tbl" and self._tables:
            self._tables.pop()
        elif name == "w:tc" and self._tables:
            self._end_cell(self._tables[-1])

    def _end_cell(self, table: _Table) -> None:
        text = "".join(table.text)[:_LONGEST_MERGED]
        above = table.above.get(table.column, "") if table.merge == "continue" else ""
        if above and not text.strip() and len(above) <= self._room:
            self._room -= len(above)
            end, paragraph = (
                self._parser.CurrentByteIndex,
                f"<w:p><w:r><w:t>{escape(above, quote=False)}</w:t></w:r></w:p>",
            )
            self._edits += ((*table.mark, ""), (end, end, paragraph))
        if table.merge != "continue":
            table.above[table.column] = text if table.merge else ""
        table.column += table.span
