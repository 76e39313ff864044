"""Recognises the text of pictures of pages, within the time that a file may take."""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from rag.errors import DocumentTooLarge, EmptyDocument
from rag.model import ParsedDocument, ReadingWarning, TextLine
from rag.parsing.arrangement import text_of
from rag.parsing.warnings import UNKNOWN_SCRIPT, lines_not_read, pages_not_read
from rag.ports import Recogniser

Picture = NDArray[np.uint8]
"""Height, width, RGB."""

_NO_TIME = "recognising the others took all of OCR_TIMEOUT"
_TIME_FOR_PAGES = 0.85
"""Part of the time; the rest is for cutting the text into passages."""


@dataclass(frozen=True, slots=True)
class RecognisedPage:
    """``confidence``: of the text, 0 to 1, a line counting by its length; 1 for no text.

    ``unread``: how many lines could not be read.
    """

    text: str
    confidence: float
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Recognition:
    """Who recognises, and until when. ``every_page``: also pages of a PDF that have text.

    ``until``: by the monotonic clock.
    """

    recogniser: Recogniser
    until: float
    every_page: bool = False

    @classmethod
    def within(cls, seconds: float, recogniser: Recogniser, *, every_page: bool) -> "Recognition":
        return cls(recogniser, monotonic() + _TIME_FOR_PAGES * seconds, every_page)

    def read(self, pages: Iterable[tuple[int, Callable[[], Picture]]]) -> "Reading":
        """Recognise pages, given by number and what makes their picture, while the time suffices."""
        found: dict[int, RecognisedPage] = {}
        left: list[int] = []
        longest = 0.0
        for number, picture in pages:
            began = monotonic()
            # The next page may take longer than all before it: a half more is allowed for.
            if began + 1.5 * longest > self.until:
                left.append(number)
                continue
            found[number] = _page(self.recogniser.recognise(picture()))
            longest = max(longest, monotonic() - began)
        return Reading(found, tuple(left))


@dataclass(frozen=True, slots=True)
class Reading:
    """The pages that were recognised, and the numbers of those for which there was no time."""

    pages: dict[int, RecognisedPage]
    left: tuple[int, ...]

    def without(self, numbers: Set[int]) -> "Reading":
        """The reading without these pages."""
        return Reading({n: page for n, page in self.pages.items() if n not in numbers}, self.left)

    def texts(self, others: Iterable[tuple[int, str]] = ()) -> list[tuple[int, str]]:
        """These pages and ``others``, which were read otherwise, each with its number, in order.

        Raises EmptyDocument when none has text, DocumentTooLarge when there was no time for any page.
        """
        texts = dict(others) | {number: page.text for number, page in self.pages.items()}
        if not any(text.strip() for text in texts.values()):
            if self.left:
                raise DocumentTooLarge(f"No text was recognised: {_NO_TIME}.")
            unread = sum(page.unread for page in self.pages.values())
            why = f" {unread} lines on them cannot be read: {UNKNOWN_SCRIPT}." if unread else ""
            raise EmptyDocument(f"No text was recognised in the pictures of the file.{why}")
        return sorted(texts.items())

    def described(self, document: ParsedDocument) -> ParsedDocument:
        """``document``, made of :meth:`texts`, with the pages' confidence and what was not read."""
        sure = {number: page.confidence for number, page in self.pages.items()}
        pages = tuple(replace(page, confidence=sure.get(page.number)) for page in document.pages)
        return replace(document, pages=pages, warnings=tuple(self._warnings()))

    def _warnings(self) -> Iterator[ReadingWarning]:
        if self.left:
            yield pages_not_read(self.left, _NO_TIME)
        if unread := {number: page.unread for number, page in self.pages.items() if page.unread}:
            yield lines_not_read(unread)


def _page(lines: Iterable[TextLine]) -> RecognisedPage:
    found = tuple(lines)
    lines = [line for line in found if line.text]
    characters = sum(len(line.text) for line in lines)
    sure = sum(line.confidence * len(line.text) for line in lines)
    confidence = sure / characters if characters else 1.0
    return RecognisedPage(text_of(lines), confidence, len(found) - len(lines))
