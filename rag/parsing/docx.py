"""What xberg does not see in a DOCX file: text that was moved away, numbers of paragraphs, merged cells, and
what heads and feet of pages say.

Its parts are XML. They are read by expat, which bounds what entities expand to, within the confined child.
"""

import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from xml.etree import ElementTree
from xml.parsers import expat

from rag.errors import UnreadableDocument
from rag.parsing import docx_body
from rag.parsing.docx_numbering import numbering_of
from rag.parsing.package import rewritten

_DOCUMENT = "word/document.xml"
_HEAD_OR_FOOT = re.compile(r"word/(header|footer)\d{0,6}\.xml")
_UNREAD = (
    "customXml/",
    "docProps/app.xml",
    "docProps/thumbnail",
    "word/fontTable.xml",
    "word/fonts/",
    "word/media/",
    "word/stylesWithEffects.xml",
    "word/theme/",
    "word/webSettings.xml",
)
"""How names of parts begin in which xberg finds no text. They are most of a small file."""

_MOST_PARTS = 200
_LARGEST_PART = 4 << 20
_LARGEST_BODY = 64 << 20
_NUMBERING, _STYLES = "word/numbering.xml", "word/styles.xml"
_UTF8 = (b"<?xml", b"\xef\xbb\xbf<?xml", b"<w:")
_MOVED = b"<w:moveFrom ", b"</w:moveFrom>"
_UNUSED_STYLES = (
    (b'<w:style w:type="table" ', b"</w:style>"),
    (b"<w:latentStyles ", b"</w:latentStyles>"),
)
"""Nine tenths of what Word writes about styles, and nothing about lists."""

_CHARACTER_STYLE = b'<w:style w:type="character" ', b"</w:style>"
"""It says nothing about lists either, but xberg reads it."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TEXT = f"{_W}t"
_BREAKS = {f"{_W}tab": " ", f"{_W}br": " ", f"{_W}noBreakHyphen": "-"}
_PAGE_FIELDS = re.compile(
    r"(?:page|seite|pagina|página|страница)? ?\d{0,4} ?(?:(?:of|von|/) ?\d{0,4})?", re.IGNORECASE
)


def with_shown_text(data: bytes) -> bytes:
    """The file as Word shows it, with numbers of paragraphs, marked (:mod:`rag.parsing.docx_body`).

    Text that was moved away under tracked changes is left out: it stands at its new place too. Merged cells
    have their text in each row.
    """
    with zipfile.ZipFile(BytesIO(data)) as archive:
        names = frozenset(archive.namelist())
        if _DOCUMENT not in names or archive.getinfo(_DOCUMENT).file_size > _LARGEST_BODY:
            return data
        body = archive.read(_DOCUMENT)
        numbering, styles = (_part(archive, name, names) for name in (_NUMBERING, _STYLES))
        used_styles = _used(styles)
        shown = _shown(body, numbering, used_styles)
        if shown == body and used_styles == styles:
            return data
        changed = {_DOCUMENT: shown} | ({_STYLES: used_styles} if styles else {})
        return rewritten(archive, changed, _UNREAD)


def _used(styles: bytes) -> bytes:
    for unused in _UNUSED_STYLES:
        styles = _cut(styles, *unused)
    return styles


def _shown(body: bytes, numbering: bytes, styles: bytes) -> bytes:
    shown = _cut(body, *_MOVED)
    if not body.startswith(_UTF8):
        return shown
    try:
        shown = docx_body.with_filled_cells(shown)
        if numbering:
            of_paragraphs = numbering_of(numbering, _cut(styles, *_CHARACTER_STYLE))
            shown = docx_body.with_marked_numbers(shown, of_paragraphs)
    except (expat.ExpatError, ElementTree.ParseError) as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error
    return shown


def _part(archive: zipfile.ZipFile, name: str, names: frozenset[str]) -> bytes:
    """The part; b"" for one that is missing or large."""
    if name not in names or archive.getinfo(name).file_size > _LARGEST_PART:
        return b""
    return archive.read(name)


def heads_and_feet(data: bytes) -> tuple[list[str], list[str]]:
    """The lines of page heads, and those of page feet, each once; page numbers alone are left out."""
    lines: dict[str, dict[str, None]] = {"header": {}, "footer": {}}
    with zipfile.ZipFile(BytesIO(data)) as archive:
        parts = [(name, found[1]) for name in archive.namelist() if (found := _HEAD_OR_FOOT.fullmatch(name))]
        for name, kind in parts[:_MOST_PARTS]:
            with archive.open(name) as part:
                lines[kind].update(dict.fromkeys(_paragraphs(part.read(_LARGEST_PART))))
    return list(lines["header"]), list(lines["footer"])


def _cut(part: bytes, start_tag: bytes, end_tag: bytes) -> bytes:
    """The part without the elements that begin with ``start_tag``, which do not contain each other."""
    kept, position = [], 0
    while (start := part.find(start_tag, position)) >= 0:
        if (opened := part.find(b">", start)) < 0:
            break
        empty = part[opened - 1 : opened] == b"/"  # says of a paragraph's mark that it was moved
        end = opened + 1 if empty else part.find(end_tag, opened) + len(end_tag)
        if end <= opened:
            break
        kept.append(part[position:start])
        position = end
    return b"".join(kept) + part[position:] if kept else part


def _paragraphs(part: bytes) -> Iterator[str]:
    try:
        root = ElementTree.fromstring(part)  # noqa: S314 - in the confined child, see above
    except ElementTree.ParseError as error:
        raise UnreadableDocument(f"The file is broken and cannot be read: {error}.") from error
    for paragraph in root.iter(f"{_W}p"):
        pieces = (
            _BREAKS.get(each.tag) or (each.text if each.tag == f"{_W}t" else "") for each in paragraph.iter()
        )
        words = " ".join("".join(piece or "" for piece in pieces).split())
        if words and not is_page_number(words):
            yield words


def is_page_number(words: str) -> bool:
    """Whether a page's head or foot says no more than "3", "Page 3 of 12" or "Seite 3"."""
    return _PAGE_FIELDS.fullmatch(words) is not None
