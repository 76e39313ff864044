"""Finds the blocks of a document's text, and cuts those that are too long."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import ceil

from rag.model import ParsedDocument
from rag.text.sentences import sentences

Count = Callable[[str], int]

_FENCE = re.compile(r"^ {0,3}(?:`{3,}|~{3,})", re.MULTILINE)
_FENCE_MARKS = ("```", "~~~")
_UNDERLINE = re.compile(r"\n {0,3}(?:=+|-+)(?=\n|\Z)")
_WORD = re.compile(r"\S+")
_ITEM = re.compile(r"^ *(?:[-*+•–] |\(?\d{1,3}[.)] |\|)", re.MULTILINE)
_LINE = re.compile(r"[^\n]+")
_CELL_END = re.compile("; ")
_LONGEST_KEY = 160  # characters
_LONGEST_CELL = 20_000
"""Characters: further into a cell its name is not looked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start <= i < end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Room:
    """The most that a passage holds. White space has no tokens, so characters have a bound of their own."""

    tokens: int
    characters: int

    def holds(self, tokens: int, start: int, end: int) -> bool:
        return tokens <= self.tokens and end - start <= self.characters

    def without(self, tokens: int, characters: int) -> "Room":
        return Room(self.tokens - tokens, self.characters - characters)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table, fenced code or heading, without white space around it.

    ``row``: whether it is a row of a table, "Name: Ada; Badge: 4417".
    """

    span: Span
    tokens: int
    heading: bool
    row: bool = False


def blocks_of(document: ParsedDocument, count: Count) -> Iterator[Block]:
    """The blocks in order, without overlap; together they hold every character that is not white space."""
    starts = [heading.start for heading in document.headings]
    tables = [table.start for table in document.tables]
    for paragraph in _paragraphs(document.text):
        for span, heading in _split_at_headings(document.text, paragraph, starts):
            at = bisect_right(tables, span.start) - 1
            row = at >= 0 and span.start <= document.tables[at].last
            yield Block(span, count(document.text[span.start : span.end]), heading, row)


def _paragraphs(text: str) -> Iterator[Span]:
    """The spans between blank lines; the blank lines of fenced code separate nothing."""
    start = 0
    while start < len(text):
        end = _blank_line(text, start)
        block = text[start:end]
        # An odd number of fences leaves one open: the paragraph goes on until it is closed.
        if any(mark in block for mark in _FENCE_MARKS) and len(_FENCE.findall(block)) % 2:
            closing = _FENCE.search(text, end)
            end = _blank_line(text, closing.end()) if closing else end
        yield from _trimmed(text, start, end)
        start = end + 2


def _blank_line(text: str, start: int) -> int:
    found = text.find("\n\n", start)
    return len(text) if found < 0 else found


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without blank lines around it; the indentation of its first line belongs to it."""
    piece = text[start:end]
    if piece and not piece.isspace():
        blank_lines = piece[: len(piece) - len(piece.lstrip())].rfind("\n") + 1
        yield Span(start + blank_lines, start + len(piece.rstrip()))


def _split_at_headings(text: str, paragraph: Span, headings: list[int]) -> Iterator[tuple[Span, bool]]:
    """The paragraph's headings and the text between them, each with whether it is a heading."""
    position = paragraph.start
    for start in headings[bisect_left(headings, paragraph.start) : bisect_left(headings, paragraph.end)]:
        end = text.find("\n", start, paragraph.end)
        if end < 0:
            end = paragraph.end
        elif underline := _UNDERLINE.match(text, end, paragraph.end):
            end = underline.end()
        yield from ((before, False) for before in _trimmed(text, position, start))
        yield Span(start, end), True
        position = end
    yield from ((rest, False) for rest in _trimmed(text, position, paragraph.end))


def pieces_of(text: str, block: Block, count: Count, room: Room) -> Iterator[tuple[Span, int]]:
    """The block in pieces that fit ``room`` and have about the same size, each with its tokens."""
    if room.holds(block.tokens, block.span.start, block.span.end):
        yield block.span, block.tokens
        return
    target = block.tokens / max(1, ceil(block.tokens / room.tokens))
    piece: Span | None = None
    tokens = 0
    for atom, size in _atoms(text, block, count, room):
        # An atom goes into the piece whose size it brings nearer to the target.
        full = piece is not None and not room.holds(tokens + size, piece.start, atom.end)
        if piece is not None and (full or tokens + size / 2 > target):
            yield piece, tokens
            piece, tokens = None, 0
        piece = Span(piece.start if piece else atom.start, atom.end)
        tokens += size
    if piece is not None:
        yield piece, tokens


def _atoms(text: str, block: Block, count: Count, room: Room) -> Iterator[tuple[Span, int]]:
    """List items and table rows that fit ``room``, each with its tokens; of a row that does not, the cells.

    What is too long is cut into sentences, these into lines, words, and at last slices.
    """
    span = block.span
    if block.row:
        starts = [match.end() for match in _CELL_END.finditer(text, span.start, span.end)]
    else:
        starts = [match.start() for match in _ITEM.finditer(text, span.start, span.end)]
    pending = [(part, 0) for part in reversed(list(_cut(text, span, starts)))]
    while pending:
        part, level = pending.pop()
        size = count(text[part.start : part.end])
        if room.holds(size, part.start, part.end) or part.end - part.start == 1:
            yield part, size
        else:
            finer = _FINER[level](text, part) if level < len(_FINER) else _slices(part, size, room)
            pending.extend((smaller, level + 1) for smaller in reversed(list(finer)))


def keys_of(text: str, row: Span, start: int) -> tuple[str, ...]:
    """What a part of a table's ``row`` that begins at ``start`` belongs to: () for the first part.

    These are the row's first cell and, within a cell, the name before its colon, where they are short.
    """
    if start <= row.start:
        return ()
    key_end = text.find("; ", row.start, min(start, row.start + _LONGEST_KEY))
    cell = text.rfind("; ", max(row.start, start - _LONGEST_CELL), start) + 2
    colon = text.find(": ", cell, min(start, cell + _LONGEST_KEY)) if 2 <= cell < start else -1
    keys = (text[row.start : max(key_end, row.start)], text[cell : max(colon, cell)])
    return tuple(key for key in keys if key.strip() and "\n" not in key)


def spans_from(text: str, span: Span, places: list[int]) -> Iterator[Span]:
    """``span`` in parts: each but the first begins with the first sentence at or after one of ``places``."""
    starts = [span.start + sentence.start for sentence in sentences(text[span.start : span.end])]
    found = (bisect_left(starts, place) for place in places)
    return _cut(text, span, sorted({starts[index] for index in found if index < len(starts)}))


def _sentences(text: str, span: Span) -> Iterator[Span]:
    """Cut where sentences begin, so that text between two sentences is kept."""
    found = sentences(text[span.start : span.end])
    return _cut(text, span, [span.start + sentence.start for sentence in found])


def _cut(text: str, span: Span, starts: list[int]) -> Iterator[Span]:
    inner = [start for start in starts if start > span.start]
    for start, end in pairwise((span.start, *inner, span.end)):
        yield from _trimmed(text, start, end)


def _matches(pattern: re.Pattern[str], text: str, span: Span) -> Iterator[Span]:
    found = pattern.finditer(text, span.start, span.end)
    return (Span(*match.span()) for match in found if not match.group().isspace())


_FINER = (_sentences, partial(_matches, _LINE), partial(_matches, _WORD))


def _slices(span: Span, size: int, room: Room) -> Iterator[Span]:
    """About as many slices of equal length as are needed to fit ``room``."""
    characters = span.end - span.start
    number = max(ceil(size / room.tokens), ceil(characters / room.characters)) + 1
    length = max(1, characters // number)
    for start in range(span.start, span.end, length):
        yield Span(start, min(start + length, span.end))
