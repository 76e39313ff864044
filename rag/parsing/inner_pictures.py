"""Pictures within a document: a mark stands for each in the text, until its own text is recognised.

Small pictures are icons and rules, and pictures that come again and again are logos: both are left.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from rag.errors import NotRecognised
from rag.model import ParsedDocument, ReadingWarning, RecognisedSpan
from rag.parsing.decoding import normalised
from rag.parsing.pictures import pixels_of, size_of
from rag.parsing.recognition import Picture, RecognisedPage, Recognition
from rag.parsing.warnings import drawings_not_read, pictures_not_read

_OPEN, _CLOSE = "\ue010", "\ue011"
"""Private-use characters around the number of a picture; other marks have others."""

_MARK = re.compile(f" {{0,2}}{_OPEN}(\\d{{1,4}}){_CLOSE}")
_IMAGE = re.compile(r"\\?!\[((?:[^\[\]\\\n]|\\.|\[[^\[\]\n]*\])*)\]\(([^()\n]*)\)")
_NO_WORDS = re.compile(r"(?:picture|image|grafik|bild|img)?[ _-]?\d{0,6}(?:\.[a-z]{3,4})?", re.IGNORECASE)
_BREAK = "\n\n"
_SMALLEST_AREA, _SMALLEST_SIDE = 10_000, 24  # pixels
_SMALLEST_DRAWING = 10_000  # bytes
_MOST = 100
_REPEATED = 3

Open = Callable[[str], bytes]
"""The bytes of a picture, by its name in the document; b"" for one that is not there."""


@dataclass(slots=True)
class InnerPictures:
    """The pictures of one document. ``recognition`` None: they are counted, and have no marks."""

    open: Open
    recognition: Recognition | None = None
    parts: Sequence[str] = ()
    """Names of all parts of the document."""

    _names: dict[str, int] = field(default_factory=dict)
    _drawings: set[str] = field(default_factory=set)
    _shown: Counter[str] = field(default_factory=Counter)

    def mark(self, name: str) -> str:
        """What stands in the text for the picture: its mark where it is met first, else ""."""
        self._shown[name] += 1
        if self._shown[name] > 1 or not name:
            return ""
        data = self.open(name)
        size = size_of(data)
        if size is None:
            if len(data) >= _SMALLEST_DRAWING:
                self._drawings.add(name)
            return ""
        if size[0] * size[1] < _SMALLEST_AREA or min(size) < _SMALLEST_SIDE:
            return ""
        self._names[name] = len(self._names)
        return "" if self.recognition is None else f" {_OPEN}{self._names[name]}{_CLOSE}"

    def marked(self, markdown: str, name_of: Callable[[str], str] = str) -> str:
        """``markdown`` with the words and the mark of each image. ``name_of``: its name, by its address."""

        def words(image: re.Match[str]) -> str:
            alt = "" if _NO_WORDS.fullmatch(image[1]) else image[1]
            address, *_ = image[2].split(' "', 1)  # a title may follow
            return alt + self.mark(name_of(address))

        return _IMAGE.sub(words, markdown)

    def mark_once(self, name: str) -> str:
        """:meth:`mark`, unless the picture was met already."""
        return "" if name in self._shown else self.mark(name)

    def below(self, folder: str) -> list[str]:
        """The parts in a folder that no converter told of, such as pictures in heads of pages."""
        return [name for name in self.parts if name.startswith(folder) and name not in self._shown]

    def appended(self, document: ParsedDocument, names: Iterable[str]) -> ParsedDocument:
        """``document`` with marks of the pictures with these names at its end."""
        marks = filter(None, (self.mark(name).strip() for name in names))
        return replace(document, text=_BREAK.join(filter(None, (document.text, *marks))))

    def read(self, document: ParsedDocument) -> ParsedDocument:
        """``document`` with the texts of its pictures, and warnings about those that were not read.

        Raises NotRecognised for pictures without any text, where nothing recognises them.
        """
        wanted = {name: at for name, at in self._names.items() if self._shown[name] <= _REPEATED}
        if self.recognition is None:
            if wanted and not document.text.strip():
                raise NotRecognised(
                    "The file holds pictures only: text recognition (OCR) is off or not installed."
                )
            left, texts = len(wanted), dict[int, RecognisedPage]()
        else:
            chosen = [(at, partial(self._pixels, name)) for name, at in wanted.items()][:_MOST]
            reading = self.recognition.read(chosen)
            left, texts = len(reading.left), reading.pages
        drawings = len(self._drawings) + (max(0, len(wanted) - _MOST) if self.recognition else 0)
        warnings = (*document.warnings, *_warnings(left, drawings))
        return replace(_placed(document, texts), warnings=warnings)

    def _pixels(self, name: str) -> Picture:
        return pixels_of(self.open(name))


def _warnings(pictures: int, drawings: int) -> Iterator[ReadingWarning]:
    if pictures:
        yield pictures_not_read(pictures)
    if drawings:
        yield drawings_not_read(drawings)


def _placed(document: ParsedDocument, texts: Mapping[int, RecognisedPage]) -> ParsedDocument:
    """``document`` with ``texts`` in the places of their marks."""
    text = document.text
    if _OPEN not in text:
        return document
    pieces: list[str] = []
    spans: list[RecognisedSpan] = []
    before, after = [0], [0]  # offsets from which on text moved, in the old text and in the new
    position = length = 0
    for mark in _MARK.finditer(text):
        page = texts.get(int(mark[1]), RecognisedPage("", 1.0))
        kept = text[position : mark.start()]
        words = _words(text, mark, page)
        pieces += (kept, words)
        start = length + len(kept)
        length = start + len(words)
        position = mark.end()
        if not words and text.startswith(_BREAK, position) and text[max(0, mark.start() - 1)] == "\n":
            position += len(_BREAK)  # else an empty paragraph would be left
        if words.strip():
            spans.append(RecognisedSpan(start, length, page.confidence))
        before.append(position)
        after.append(length)
    pieces.append(text[position:])
    moved = _Moved(before, after)
    return replace(
        document,
        text="".join(pieces),
        title=_MARK.sub("", document.title).strip() or None if document.title else None,
        headings=tuple(
            replace(each, start=moved.at(each.start), text=words)
            for each in document.headings
            if (words := _MARK.sub("", each.text).strip())
        ),
        pages=tuple(
            replace(each, start=start, end=end)
            for each in document.pages
            if (start := moved.at(each.start)) < (end := moved.at(each.end))
        ),
        tables=tuple(
            replace(
                each,
                start=moved.at(each.start),
                last=moved.at(each.last),
                caption=_MARK.sub("", each.caption),
            )
            for each in document.tables
        ),
        definitions=tuple(
            replace(each, start=moved.at(each.start), end=moved.at(each.end), term=_MARK.sub("", each.term))
            for each in document.definitions
        ),
        recognised=tuple(spans),
    )


def _words(text: str, mark: re.Match[str], page: RecognisedPage) -> str:
    """The recognised text: as it is where its mark is a paragraph, on one line within a line."""
    found = normalised(page.text).strip()
    before, after = text[max(0, mark.start() - 1) : mark.start()], text[mark.end() : mark.end() + 1]
    alone = before in ("", "\n") and after in ("", "\n")
    if alone or not found:
        return found
    joined = " ".join(found.split())
    return joined if before in ("", "\n") else f" {joined}"


@dataclass(frozen=True, slots=True)
class _Moved:
    before: list[int]
    after: list[int]

    def at(self, offset: int) -> int:
        place = bisect_right(self.before, offset) - 1
        return self.after[place] + offset - self.before[place]
