"""Pictures within a document: a mark stands for each in the text, until its own text is recognised.

Small pictures are icons and rules, and pictures that come again and again are logos: both are left.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from rag.errors import NotRecognised
from rag.model import ParsedDocument, ReadingWarning
from rag.parsing.picture_marks import mark_of, placed
from rag.parsing.pictures import MOST_SHOWN, MOST_WITHIN, is_icon, pixels_of, size_of
from rag.parsing.recognition import Picture, RecognisedPage, Recognition
from rag.parsing.warnings import drawings_not_read, pictures_not_read

_IMAGE = re.compile(r"\\?!\[((?:[^\[\]\\\n]|\\.|\[[^\[\]\n]*\])*)\]\(([^()\n]*)\)")
_NO_WORDS = re.compile(r"(?:picture|image|grafik|bild|img)?[ _-]?\d{0,6}(?:\.[a-z]{3,4})?", re.IGNORECASE)
_BREAK = "\n\n"
_SMALLEST_DRAWING = 10_000  # bytes

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
        if is_icon(size):
            return ""
        self._names[name] = len(self._names)
        return "" if self.recognition is None else f" {mark_of(self._names[name])}"

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
        wanted = {name: at for name, at in self._names.items() if self._shown[name] <= MOST_SHOWN}
        if self.recognition is None:
            if wanted and not document.text.strip():
                raise NotRecognised(
                    "The file holds pictures only: text recognition (OCR) is off or not installed."
                )
            left, texts = len(wanted), dict[int, RecognisedPage]()
        else:
            chosen = [(at, partial(self._pixels, name)) for name, at in wanted.items()][:MOST_WITHIN]
            reading = self.recognition.read(chosen)
            left, texts = len(reading.left), reading.pages
        drawings = len(self._drawings) + (max(0, len(wanted) - MOST_WITHIN) if self.recognition else 0)
        warnings = (*document.warnings, *_warnings(left, drawings))
        return replace(placed(document, texts), warnings=warnings)

    def _pixels(self, name: str) -> Picture:
        return pixels_of(self.open(name))


def _warnings(pictures: int, drawings: int) -> Iterator[ReadingWarning]:
    if pictures:
        yield pictures_not_read(pictures)
    if drawings:
        yield drawings_not_read(drawings)
