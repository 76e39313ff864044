"""The blocks of a document's text, and how one that is too long is cut."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from rag.model import ParsedDocument
from rag.sentences import sentences

Count = Callable[[str], int]

_FENCE = re.compile(r"^ {0,3}(?:`{3,}|~{3,})", re.MULTILINE)
_FENCE_MARKS = ("```", "~~~")
_UNDERLINE = re.compile(r"\n {0,3}(?:=+|-+)(?=\n|\Z)")
_WORD = re.compile(r"\S+")
_ITEM = re.compile(r"^ *(?:[-*+•–] |\(?\d{1,3}[.)] |\|)", re.MULTILINE)
_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start <= i < end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Room:
    """What a passage holds at most. White space counts no tokens, so characters have a bound of their own."""

    tokens: int
    characters: int

    def holds(self, tokens: int, start: int, end: int) -> bool:
        return tokens <= self.tokens and end - start <= self.characters

    def without(self, tokens: int, characters: int) -> "Room":
        return Room(self.tokens - tokens, self.characters - characters)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table, fenced code or heading, without white space around it."""

    span: Span
    tokens: int
    heading: bool


def blocks_of(document: ParsedDocument, count: Count) -> Iterator[Block]:
    """In order, without overlap; together they hold every character that is not white space."""
    text = document.text
    starts = [heading.start for heading in document.headings]
    for paragraph in _paragraphs(text):
        for span, heading in _parted(text, paragraph, starts):
            yield Block(span, count(text[span.start : span.end]), heading)


def _paragraphs(text: str) -> Iterator[Span]:
    """What blank lines separate; the blank lines of fenced code separate nothing."""
    position = 0
    while position < len(text):
        end = _paragraph_end(text, position)
        yield from _trimmed(text, position, end)
        position = end + 2


def _paragraph_end(text: str, start: int) -> int:
    end = _blank_line(text, start)
    block = text[start:end]
    if any(mark in block for mark in _FENCE_MARKS) and len(_FENCE.findall(block)) % 2:
        closing = _FENCE.search(text, end)
        return _blank_line(text, closing.end()) if closing else end
    return end


def _blank_line(text: str, start: int) -> int:
    found = text.find("\n\n", start)
    return len(text) if found < 0 else found


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """The span from its first line with a letter in it; indentation belongs to the text."""
    piece = text[start:end]
    if piece and not piece.isspace():
        blank_lines = piece[: len(piece) - len(piece.lstrip())].rfind("\n") + 1
        yield Span(start + blank_lines, start + len(piece.rstrip()))


def _parted(text: str, paragraph: Span, headings: list[int]) -> Iterator[tuple[Span, bool]]:
    """The paragraph's headings and what stands between them."""
    position = paragraph.start
    for start in headings[bisect_left(headings, paragraph.start) : bisect_left(headings, paragraph.end)]:
        end = _heading_end(text, start, paragraph.end)
        for before in _trimmed(text, position, start):
            yield before, False
        yield Span(start, end), True
        position = end
    for rest in _trimmed(text, position, paragraph.end):
        yield rest, False


def _heading_end(text: str, start: int, limit: int) -> int:
    line_end = text.find("\n", start, limit)
    if line_end < 0:
        return limit
    underline = _UNDERLINE.match(text, line_end, limit)
    return underline.end() if underline else line_end


def pieces_of(text: str, block: Block, count: Count, room: Room) -> Iterator[tuple[Span, int]]:
    """The block in pieces that fit and are of about the same size, each with its tokens."""
    if room.holds(block.tokens, block.span.start, block.span.end):
        yield block.span, block.tokens
        return
    target = block.tokens / max(1, ceil(block.tokens / room.tokens))
    piece: Span | None = None
    tokens = 0
    for atom, size in _atoms(text, block.span, count, room):
        full = piece is not None and not room.holds(tokens + size, piece.start, atom.end)
        if piece is not None and (full or tokens + size / 2 > target):
            yield piece, tokens
            piece, tokens = None, 0
        piece = Span(piece.start if piece else atom.start, atom.end)
        tokens += size
    if piece is not None:
        yield piece, tokens


def _atoms(text: str, span: Span, count: Count, room: Room) -> Iterator[tuple[Span, int]]:
    """List items and table rows; of what is too long sentences, lines, words, and slices at last."""
    pending = [(part, 0) for part in reversed(list(_items(text, span)))]
    while pending:
        part, level = pending.pop()
        size = count(text[part.start : part.end])
        if room.holds(size, part.start, part.end) or part.end - part.start == 1:
            yield part, size
            continue
        finer = _FINER[level](text, part) if level < len(_FINER) else _slices(part, size, room)
        pending.extend((smaller, level + 1) for smaller in reversed(list(finer)))


def _items(text: str, span: Span) -> Iterator[Span]:
    """The items of a list or rows of a table; other blocks whole."""
    starts = [match.start() for match in _ITEM.finditer(text, span.start, span.end)]
    yield from _cut(text, span, starts)


def _sentences(text: str, span: Span) -> Iterator[Span]:
    """Cut where sentences begin, so that what stands between them is kept."""
    found = sentences(text[span.start : span.end])
    yield from _cut(text, span, [span.start + sentence.start for sentence in found])


def _cut(text: str, span: Span, starts: list[int]) -> Iterator[Span]:
    inner = [start for start in starts if start > span.start]
    for start, end in pairwise((span.start, *inner, span.end)):
        yield from _trimmed(text, start, end)


def _lines(text: str, span: Span) -> Iterator[Span]:
    found = _LINE.finditer(text, span.start, span.end)
    return (Span(*match.span()) for match in found if not match.group().isspace())


def _words(text: str, span: Span) -> Iterator[Span]:
    return (Span(*match.span()) for match in _WORD.finditer(text, span.start, span.end))


_FINER = (_sentences, _lines, _words)


def _slices(span: Span, size: int, room: Room) -> Iterator[Span]:
    """Of equal length, about as many as are needed."""
    characters = span.end - span.start
    number = max(ceil(size / room.tokens), ceil(characters / room.characters)) + 1
    length = max(1, characters // number)
    for start in range(span.start, span.end, length):
        yield Span(start, min(start + length, span.end))
