"""What a parsed document says of each of its characters: headings, captions, terms, pages, recognition."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import takewhile

from rag.model import Definition, Heading, Page, RecognisedSpan, Table

DEEPEST_PATH = 6
"""Headings that lead to a passage, the terms that it defines and the caption of its table among them."""


class Paths:
    """The headings in force at each character."""

    def __init__(self, headings: Sequence[Heading]) -> None:
        self._starts = [heading.start for heading in headings]
        self._paths: list[tuple[str, ...]] = [()]
        open_headings: list[Heading] = []
        for heading in headings:
            while open_headings and open_headings[-1].level >= heading.level:
                open_headings.pop()
            open_headings.append(heading)
            self._paths.append(tuple(one.text for one in open_headings))

    def at(self, offset: int) -> tuple[str, ...]:
        return self._paths[bisect_right(self._starts, offset)]


class Captions:
    """The captions of tables."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._starts = [table.start for table in tables]
        self._tables = tables

    def above(self, offset: int) -> tuple[str, ...]:
        """The caption of the table whose rows begin at ``offset`` or go on there; () without one.

        Passages that hold the rows and what stands above them have the caption already.
        """
        place = bisect_right(self._starts, offset) - 1
        table = self._tables[place] if place >= 0 else None
        return (table.caption,) if table and table.caption and offset <= table.last else ()


class Terms:
    """The terms of definition lists."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        ordered = sorted(definitions, key=lambda one: (one.start, -one.end))
        self._starts = [one.start for one in ordered]
        self._within: list[tuple[Definition, ...]] = []
        open_ones: list[Definition] = []
        for one in ordered:
            while open_ones and open_ones[-1].end <= one.start:
                open_ones.pop()
            open_ones.append(one)
            self._within.append(tuple(open_ones[-DEEPEST_PATH:]))

    def above(self, offset: int) -> tuple[str, ...]:
        """The terms whose descriptions hold the character at ``offset``, the outermost first.

        Passages that hold the term itself have it already.
        """
        place = bisect_right(self._starts, offset) - 1
        held = self._within[place] if place >= 0 else ()
        return tuple(one.term for one in held if offset < one.end)


class Pages:
    """The page of each character, and what of it was recognised."""

    def __init__(self, pages: Sequence[Page], pictures: Sequence[RecognisedSpan]) -> None:
        self._pictures = pictures
        self._ends = [picture.end for picture in pictures]
        self._starts = [page.start for page in pages]
        self._numbers: list[int | None] = [None, *(page.number for page in pages)]
        self._confidences = [page.confidence for page in pages]

    def at(self, offset: int) -> int | None:
        return self._numbers[bisect_right(self._starts, offset)]

    def confidence_within(self, start: int, end: int) -> float | None:
        """The lowest confidence of what was recognised between these offsets; None without anything."""
        first, last = max(0, bisect_right(self._starts, start) - 1), bisect_left(self._starts, end)
        recognised = [each for each in self._confidences[first:last] if each is not None]
        below = self._pictures[bisect_right(self._ends, start) :]
        recognised += (each.confidence for each in takewhile(lambda each: each.start < end, below))
        return min(recognised, default=None)

    def starts_within(self, start: int, end: int) -> list[int]:
        """Where pages begin after ``start`` and before ``end``."""
        return self._starts[bisect_right(self._starts, start) : bisect_left(self._starts, end)]
