"""Reads ODT: paragraphs, headings and lists with their numbers, tables, notes, comments, text boxes.

Source: OpenDocument 1.3, part 3. xberg reads this format too, but it moves the cells beside a merged one,
leaves out numbers and page heads, and reads text boxes twice.
"""

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from rag.errors import DocumentTooLarge, translated
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.docx import is_page_number
from rag.parsing.grids import SpanningCell, table_of
from rag.parsing.odt_numbering import Counter, Numbering, number_of
from rag.parsing.package import BROKEN, attribute, local_name, named

_CONTENT, _STYLES, _META = "content.xml", "styles.xml", "meta.xml"
_BODY = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}text"
_LARGEST_PART = 64 << 20
_MOST_COLUMNS, _MOST_ROWS, _MOST_CELLS = 1_000, 1_000, 200_000
_MOST_SPACES = 80
_DEEPEST_HEADING = 6
_UNREAD = frozenset({"tracked-changes", "forms", "sequence-decls", "variable-decls", "user-field-decls"})
_BLOCKS = frozenset({"frame", "custom-shape", "g", "rect", "text-box", "object"})
_MARKUP = re.compile(r"[\\`|]|^(?:#{1,6}(?=\s)|~{3}|[=-](?=[=-]*$))", re.MULTILINE)

PictureMark = Callable[[str], str]
"""Gives what stands in the text for the picture with a name: a mark, or ""."""


def odt(data: bytes, mark: PictureMark = lambda _: "") -> ParsedDocument:
    """The text between the lines of page heads and feet, with notes and comments at its end.

    Raises UnreadableDocument for a broken file, DocumentTooLarge for one with too large a part.
    """
    with (
        translated(BROKEN, "The file is broken and cannot be read"),
        zipfile.ZipFile(BytesIO(data)) as archive,
    ):
        content, styles, meta = (_root(archive, name) for name in (_CONTENT, _STYLES, _META))
    reader = _Reader(Numbering.of(content, styles), mark)
    body = [block for text in content.iter(_BODY) for block in reader.blocks(text)]
    heads, feet = (list(_of_pages(styles, kind)) for kind in ("header", "footer"))
    blocks = filter(None, (*heads, *body, *reader.notes, *feet))
    title = next((each.text for each in named(meta, "title")), None)
    return structure.from_escaped("\n\n".join(blocks), title)


def _root(archive: zipfile.ZipFile, name: str) -> Element:
    if name not in archive.namelist():
        return Element("none")
    with archive.open(name) as stream:
        part = stream.read(_LARGEST_PART + 1)
    if len(part) > _LARGEST_PART:
        raise DocumentTooLarge(
            f"The file unpacks to more than can be read: {name} is over {_LARGEST_PART} bytes."
        )
    return ElementTree.fromstring(part)  # noqa: S314 - in the confined child


def _of_pages(styles: Element, kind: str) -> Iterator[str]:
    """The lines of page heads or feet, each once; page numbers alone are left out."""
    found: dict[str, None] = {}
    for part in styles.iter():
        if local_name(part) in (kind, f"{kind}-left", f"{kind}-first"):
            lines = (" ".join("".join(each.itertext()).split()) for each in named(part, "p"))
            found |= dict.fromkeys(line for line in lines if line and not is_page_number(line))
    yield from map(escaped, found)


def escaped(text: str) -> str:
    """``text`` with a backslash before what :func:`rag.parsing.structure.from_escaped` takes for markup."""
    return _MARKUP.sub(r"\\\g<0>", text)


@dataclass(slots=True)
class _Reader:
    """Turns elements into blocks of Markdown. ``notes``: the footnotes and comments that it met."""

    numbering: Numbering
    mark: PictureMark
    notes: list[str] = field(default_factory=list)
    _cells: int = 0

    def blocks(self, parent: Iterable[Element]) -> Iterator[str]:
        for each in parent:
            kind = local_name(each)
            if kind in ("p", "h"):
                yield from self._paragraph(each, kind)
            elif kind == "list":
                goes_on = attribute(each, "continue-numbering") == "true" or bool(
                    attribute(each, "continue-list")
                )
                counter = self.numbering.counter_of(attribute(each, "style-name"), goes_on=goes_on)
                yield from self._items(each, counter, 1)
            elif kind == "table":
                yield self._table(each)
            elif kind in ("frame", "image"):
                yield from self._frame(each)
            elif kind not in _UNREAD:
                yield from self.blocks(each)

    def _paragraph(self, element: Element, kind: str, number: str = "") -> Iterator[str]:
        beside: list[Element] = []
        words = self._words(element, beside)
        if kind == "h":
            level = number_of(attribute(element, "outline-level"), 1, _DEEPEST_HEADING)
            number = number or self.numbering.headings.number(level)
            words = " ".join(f"{number} {words}".split())
            yield f"{'#' * level} {escaped(words)}" if words else ""
        else:
            lines = (" ".join(line.split()) for line in f"{number} {words}".split("\n"))
            yield escaped("\n".join(filter(None, lines)))
        for frame in beside:
            yield from self._frame(frame)

    def _words(self, parent: Element, beside: list[Element]) -> str:
        """The text within; frames are put to those ``beside``, notes to those at the end."""
        words = [parent.text or ""]
        for each in parent:
            kind = local_name(each)
            if kind in _BLOCKS:
                beside.append(each)
            elif kind in ("note", "annotation"):
                self._note(each, kind)
            elif kind == "s":
                words.append(" " * number_of(attribute(each, "c"), 1, _MOST_SPACES))
            elif kind in ("tab", "line-break"):
                words.append("\t" if kind == "tab" else "\n")
            else:
                words.append(self._words(each, beside))
            words.append(each.tail or "")
        return "".join(words)

    def _note(self, element: Element, kind: str) -> None:
        beside: list[Element] = []
        words = (self._words(each, beside) for each in named(element, "p"))
        said = " ".join(" ".join(words).split())
        if said:
            self.notes.append(f"{'Note' if kind == 'note' else 'Comment'}: {escaped(said)}")

    def _items(self, parent: Element, counter: Counter, level: int) -> Iterator[str]:
        for item in parent:
            is_first = local_name(item) == "list-item"
            for each in item:
                kind = local_name(each)
                if kind == "list":
                    yield from self._items(each, counter, level + 1)
                elif kind in ("p", "h"):
                    stated = number_of(attribute(item, "start-value"), -1, 1_000_000)
                    number = counter.number(level, stated if stated >= 0 else None) if is_first else ""
                    is_bullet = is_first and not number and kind == "p"
                    is_first = False
                    blocks = self._paragraph(each, kind, number)
                    yield from (f"- {block}" if is_bullet and block else block for block in blocks)
                else:
                    yield from self.blocks([each])

    def _frame(self, frame: Element) -> Iterator[str]:
        """The text in a frame; of a picture its description and its mark."""
        if local_name(frame) == "image":
            yield self.mark(attribute(frame, "href"))
            return
        described = (each.text for each in frame if local_name(each) in ("title", "desc"))
        yield from dict.fromkeys(escaped(" ".join(text.split())) for text in described if text)
        # One picture may be there in several formats.
        pictures = [each for each in frame if local_name(each) == "image"]
        yield from (self.mark(attribute(each, "href")) for each in pictures[:1])
        for each in frame:
            if local_name(each) not in ("image", "title", "desc"):
                yield from self.blocks(each if local_name(each) == "text-box" else [each])

    def _table(self, table: Element) -> str:
        cells: list[SpanningCell] = []
        height = 0
        for row, is_header in _rows_of(table):
            times = number_of(attribute(row, "number-rows-repeated"), 1, _MOST_ROWS)
            found = list(self._cells_of(row, is_header=is_header))
            for _ in range(times if any(cell.content for cell in found) else 1):
                self._cells += len(found)
                if self._cells > _MOST_CELLS:
                    raise DocumentTooLarge(f"The file has tables of more than {_MOST_CELLS} cells.")
                cells += (SpanningCell(c.content, height, c.row_span, c.col_span, is_header) for c in found)
                height += 1
        return table_of(cells, height)

    def _cells_of(self, row: Element, *, is_header: bool) -> Iterator[SpanningCell]:
        for cell in row:
            if local_name(cell) != "table-cell":  # the others lie under a merged one
                continue
            spans = [
                number_of(attribute(cell, f"number-{kind}-spanned"), 1, _MOST_COLUMNS)
                for kind in ("rows", "columns")
            ]
            text = " ".join(" ".join(map(self._flat, cell)).split())
            times = number_of(attribute(cell, "number-columns-repeated"), 1, _MOST_COLUMNS)
            for _ in range(times if text else min(times, 50)):
                yield SpanningCell(text, 0, spans[0], spans[1], is_header)

    def _flat(self, element: Element) -> str:
        """What stands in a cell. Of a table within it, only the words."""
        if local_name(element) == "table":
            return escaped(" ".join(element.itertext()))
        return " ".join(self.blocks([element]))


def _rows_of(table: Element, *, is_header: bool = False) -> Iterator[tuple[Element, bool]]:
    """The rows, in groups too, and whether they are heads."""
    for each in table:
        kind = local_name(each)
        if kind == "table-row":
            yield each, is_header
        elif kind in ("table-rows", "table-row-group", "table-header-rows"):
            yield from _rows_of(each, is_header=is_header or kind == "table-header-rows")
