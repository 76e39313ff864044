"""Cuts documents into passages that fit the embedding model.

A document is cut where its author divided it. Blocks (paragraphs, tables, code) stay whole where
they fit; a heading stays with what follows it; neighbours are joined until a
passage is half full, so that a passage has one topic and is not tiny. A block that
is too long is cut between sentences, rows or lines into parts of about the same size. A row of a table is
cut between cells, and only when it is too long; its first cell then leads to each part, as a heading does.

A passage begins on one page and stays there, so that what is quoted from it has the right page. Only a
sentence that runs over the end of a page ends its passage on the next one.

Passages do not overlap: each character is cited from one place, a sentence is never cut
unless it alone is too long, and the heading path gives a passage the context that overlapping
passages would give.

No library does it: semantic-text-splitter 0.33 takes quadratic time over hostile text (6 s for 140 kB of
unclosed emphasis, where this takes 0.1 s), and knows neither pages nor heading paths.
"""

from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from math import ceil
from typing import Protocol

from rag.errors import EmptyDocument
from rag.model import Chunk, ParsedDocument
from rag.text.annotations import DEEPEST_PATH, Captions, Pages, Paths, Terms
from rag.text.blocks import Block, Room, Span, blocks_of, keys_of, pieces_of, spans_from

_VERSION = 4
_LONGEST_MEMO = 200_000
_LONGEST_WORD = 64
_SLICE = 4_096  # tokenizers take quadratic time over one endless word
_OPAQUE_WORD = 100
_CHARACTERS_A_TOKEN = 8
ROOM_A_TOKEN = 64
"""Characters, white space included, that a passage may have for each token of the limit. Prose has 4 to 6,
indented code 20."""
_TOKENS_A_CHARACTER = 4  # at most: WordPiece divides a Hangul syllable into three
_PROBE = "The year's 1st co-operation (naïve, e.g.) cost $3.50 – Übergrößenträger; см. 東京/a_b@c.de!"


class Tokenizer(Protocol):
    """The part of ``tokenizers.Tokenizer`` that counting needs."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Sized: ...


class TokenChunker:
    """Implements :class:`rag.ports.Chunker`."""

    def __init__(self, tokenizer: Tokenizer | Callable[[str], int], max_tokens: int) -> None:
        """``tokenizer`` counts a text's tokens, special ones left out; ``max_tokens`` at least 8."""
        if max_tokens < 8:
            raise ValueError("a passage needs room for at least 8 tokens")
        self.name = f"structure-{_VERSION}-{max_tokens}"
        self._max = max_tokens
        self._ruler = Ruler(
            tokenizer
            if callable(tokenizer)
            else lambda text: len(tokenizer.encode(text, add_special_tokens=False))
        )

    def chunk(self, document: ParsedDocument) -> list[Chunk]:
        """In order of appearance, ``document.text[c.start:c.end] == c.text``, ``c.tokens <= max_tokens``.

        No passage has more than 64 characters for each token of ``max_tokens``, white space included.
        Raises EmptyDocument for a text of white space.
        """
        limit = self._max
        while True:
            chunks = list(_chunks(document, self._ruler, Room(limit, self._max * ROOM_A_TOKEN)))
            if not chunks:
                raise EmptyDocument("The document holds no text.")
            if self._ruler.additive or limit <= 1:
                return chunks
            # Here tokens of words do not add up: count whole passages, and cut again where one is too long.
            chunks = [replace(chunk, tokens=self._ruler.tokens(chunk.text)) for chunk in chunks]
            if all(chunk.tokens <= self._max for chunk in chunks):
                return chunks
            limit = limit * 9 // 10

    def warm(self) -> None:
        self._ruler.tokens(_PROBE)


def most_passages(characters: int, max_tokens: int, pages: int = 0) -> int:
    """The most passages that a text of so many characters on so many pages is cut into.

    Two neighbours on a page that were not joined have at least a quarter of the room together
    (:func:`_groups`).
    """
    return 2 + 2 * pages + 2 * (_TOKENS_A_CHARACTER * characters // max(1, max_tokens // 4))


class Ruler:
    """Counts tokens, and caches the counts of words.

    WordPiece and SentencePiece cut at white space first, so a text has as many tokens as its
    words have; each word is counted once. Where a probe shows otherwise (``additive`` is
    False) every text is counted as it stands. A word without white space of over 100
    characters counts at least a token for 8 of them: WordPiece counts it as one unknown token.
    """

    def __init__(self, count: Callable[[str], int]) -> None:
        self._count = count
        self._words = _Words(count)

    @cached_property
    def additive(self) -> bool:
        return self._count(_PROBE) == sum(map(self._count, _PROBE.split()))

    def tokens(self, text: str) -> int:
        if not self.additive:
            return self._count(text)
        if len(self._words) > _LONGEST_MEMO:
            self._words.clear()
        return sum(map(self._words.__getitem__, text.split()))


class _Words(dict[str, int]):
    def __init__(self, count: Callable[[str], int]) -> None:
        super().__init__()
        self._count = count

    def __missing__(self, word: str) -> int:
        slices = (word[start : start + _SLICE] for start in range(0, len(word), _SLICE))
        tokens = sum(map(self._count, slices))
        if len(word) > _OPAQUE_WORD:
            tokens = max(tokens, ceil(len(word) / _CHARACTERS_A_TOKEN))
        if len(word) <= _LONGEST_WORD:
            self[word] = tokens
        return tokens


@dataclass(frozen=True, slots=True)
class _Unit:
    """A block or a piece of one, with the headings right above it. A passage never divides it."""

    span: Span
    tokens: int
    path: tuple[str, ...]
    page: int | None
    opens: bool
    """Whether a section begins here."""

    keys: tuple[str, ...] = ()
    """The first cell of the row of which this is a later part, and the name of the cell."""


def _chunks(document: ParsedDocument, ruler: Ruler, room: Room) -> Iterator[Chunk]:
    pages = Pages(document.pages, document.recognised)
    captions, terms = Captions(document.tables), Terms(document.definitions)
    for index, group in enumerate(_groups(_units(document, ruler, room), room)):
        start, end = group[0].span.start, group[-1].span.end
        levels = zip(*(unit.path for unit in group), strict=False)
        shared = tuple(names[0] for names in takewhile(lambda names: len(set(names)) == 1, levels))
        yield Chunk(
            index=index,
            text=document.text[start:end],
            start=start,
            end=end,
            tokens=sum(unit.tokens for unit in group),
            page=group[0].page,
            headings=(
                *(shared or group[0].path),
                *terms.above(start),
                *captions.above(start),
                *group[0].keys,
            )[-DEEPEST_PATH:],
            confidence=pages.confidence_within(start, end),
        )


def _groups(units: Iterator[_Unit], room: Room) -> Iterator[list[_Unit]]:
    """Groups of neighbours, each of which makes a passage.

    A passage goes on while it fits and is not half full, or when what follows is small. A section begins a
    new passage, unless the present one is not a quarter full; a page always does.
    """
    group: list[_Unit] = []
    tokens = 0
    for unit in units:
        same_page = group and unit.page == group[0].page
        fits = same_page and room.holds(tokens + unit.tokens, group[0].span.start, unit.span.end)
        small = not unit.opens and (tokens < room.tokens // 2 or unit.tokens < room.tokens // 6)
        if group and not (fits and (small or tokens < room.tokens // 4)):
            yield group
            group, tokens = [], 0
        group.append(unit)
        tokens += unit.tokens
    if group:
        yield group


def _units(document: ParsedDocument, ruler: Ruler, room: Room) -> Iterator[_Unit]:
    paths = Paths(document.headings)
    pages = Pages(document.pages, document.recognised)
    pending: list[Block] = []
    reserved = 0
    half = Room(room.tokens // 2, room.characters // 2)

    def headings_alone() -> Iterator[_Unit]:
        if pending:
            start, end = pending[0].span.start, pending[-1].span.end
            yield _Unit(Span(start, end), reserved, paths.at(start), pages.at(start), opens=False)

    for block in _blocks(document, pages, ruler):
        far = pending and block.span.start - pending[0].span.start > half.characters
        if pending and (far or pages.at(block.span.start) != pages.at(pending[0].span.start)):
            yield from headings_alone()
            pending, reserved = [], 0
        start = pending[0].span.start if pending else block.span.start
        # Headings wait for the text below them, unless they would take more than half of its passage.
        if block.heading and half.holds(reserved + block.tokens, start, block.span.end):
            pending.append(block)
            reserved += block.tokens
            continue
        below = room.without(reserved, block.span.start - start)
        for piece, tokens in pieces_of(document.text, block, ruler.tokens, below):
            if pending and piece.end - pending[0].span.start > room.characters:
                yield from headings_alone()
                pending, reserved = [], 0
            start = pending[0].span.start if pending else piece.start
            span, opens = Span(start, piece.end), bool(pending)
            keys = keys_of(document.text, block.span, piece.start) if block.row else ()
            yield _Unit(span, reserved + tokens, paths.at(piece.start), pages.at(start), opens, keys)
            pending, reserved = [], 0
    yield from headings_alone()


def _blocks(document: ParsedDocument, pages: Pages, ruler: Ruler) -> Iterator[Block]:
    """The document's blocks; one that runs over pages is cut where the first sentences of a page begin."""
    for block in blocks_of(document, ruler.tokens):
        ends = pages.starts_within(block.span.start, block.span.end)
        if not ends:
            yield block
            continue
        for span in spans_from(document.text, block.span, ends):
            yield replace(block, span=span, tokens=ruler.tokens(document.text[span.start : span.end]))
