"""What may be quoted from passages, and how a quotation reads in an answer."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from rag.bounds import LONGEST_PASSAGE
from rag.model import Candidate, Passage
from rag.sentences import Kind, Sentence, readable, sentences
from workers.generation.words import content_words

_LONGEST_LIST = 800  # characters
_FOOTNOTE = re.compile(r"(`[^`\n]++`)|\s?\[\d++\]")
_INDEX = re.compile(r"\[(\d++)\]")


@dataclass(frozen=True)
class Quote:
    """Characters ``start:end`` of the text of the ``rank``-th best passage (0 is best)."""

    rank: int
    passage: Passage
    relevance: float
    start: int
    end: int
    parts: tuple[Sentence, ...]

    @property
    def verbatim(self) -> str:
        return self.passage.text[self.start : self.end]

    @cached_property
    def words(self) -> frozenset[str]:
        return content_words(self.verbatim)

    @property
    def says_something(self) -> bool:
        """False for a heading, and for a line that announces what is not quoted with it."""
        return self.parts[0].kind is not Kind.HEADING and not self.open_ended

    @property
    def open_ended(self) -> bool:
        return len(self.parts) == 1 and self.verbatim.rstrip("*_").endswith(":")

    def says_the_same_as(self, other: "Quote") -> bool:
        """Whether nearly all words of the shorter one stand in the longer one."""
        fewer = min(len(self.words), len(other.words))
        return len(self.words & other.words) >= 0.9 * max(fewer, 1)

    def reading(self) -> str:
        """The quotation for an answer's text, with no ``[n]`` that could pass for a citation."""
        first, *others = (_line(self.passage.text, part) for part in self.parts)
        listed = self.parts[-1].kind is Kind.ITEM
        return "\n".join((first, *(f"- {line}" if listed else line for line in others)))


def quotes(passages: Sequence[Candidate], cancelled: Callable[[], bool] = lambda: False) -> list[Quote]:
    """All that may be quoted, in order. Headings and the like may when there is nothing else.

    A line that ends in a colon is quoted with the list or the code that it announces. Once
    ``cancelled``, no further passage is read.
    """
    ranked = takewhile(lambda _: not cancelled(), enumerate(passages))
    found = [quote for rank, candidate in ranked for quote in _of(rank, candidate)]
    return [quote for quote in found if quote.says_something] or found


def _of(rank: int, candidate: Candidate) -> Iterator[Quote]:
    passage, relevance = candidate.hit.passage, candidate.hit.score
    quote: Quote | None = None
    for part in sentences(passage.text[:LONGEST_PASSAGE]):
        if quote is not None and _announces(quote, part):
            quote = replace(quote, end=part.end, parts=(*quote.parts, part))
            continue
        if quote is not None:
            yield quote
        quote = Quote(rank, passage, relevance, part.start, part.end, (part,))
    if quote is not None:
        yield quote


def _announces(quote: Quote, part: Sentence) -> bool:
    last = quote.parts[-1]
    if part.kind not in (Kind.ITEM, Kind.ROW, Kind.CODE) or part.end - quote.start > _LONGEST_LIST:
        return False
    if len(quote.parts) == 1:
        return last.kind is not Kind.HEADING and quote.open_ended
    return last.kind is part.kind and part.kind is not Kind.CODE


def _line(text: str, part: Sentence) -> str:
    plain = readable(text[part.start : part.end], part.kind)
    if part.kind is Kind.CODE:
        return f"```\n{_spaced(plain)}\n```"
    return _FOOTNOTE.sub(lambda m: _spaced(m.group(1) or ""), plain)


def _spaced(code: str) -> str:
    """Code keeps its indices, which would look like citations, in a form that means the same."""
    return _INDEX.sub(r"[ \1 ]", code)
