"""The sentences of passages that an answer may quote, and how it shows them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from rag.model import Candidate, Citation, Passage
from rag.model.bounds import LONGEST_PASSAGE
from rag.text.sentences import Kind, Sentence, readable, sentences
from rag.text.stemming import stem

_MAX_LIST = 800  # characters
_FOOTNOTE = re.compile(r"(`[^`\n]++`)|\s?\[\d++\]")
_INDEX = re.compile(r"\[(\d++)\]")


_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_STOP_WORDS = frozenset(
    """a an and are as at be been being by did do does for from had has have how in is it its many
    much of on or s that the this to was were what when where which who whom whose why with
    """.split()  # noqa: SIM905 - prose is easier to read than fifty quoted words
)


def content_words(text: str) -> frozenset[str]:
    """Stems of the words of ``text`` without stop words (articles, question words and the like).

    In scripts without spaces each character counts as a word.
    """
    return frozenset(stem(word) for word in _WORD.findall(text.casefold()) if word not in _STOP_WORDS)


@dataclass(frozen=True)
class Quote:
    """The characters ``start:end`` of the text of the ``rank``-th best passage (0 is the best)."""

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
        """False for a heading, and for a line ending in a colon without the list that it introduces."""
        return self.parts[0].kind is not Kind.HEADING and not self.open_ended

    @property
    def open_ended(self) -> bool:
        return len(self.parts) == 1 and self.verbatim.rstrip("*_").endswith(":")

    def says_the_same_as(self, other: "Quote") -> bool:
        """Whether the longer quote has nearly all words of the shorter one."""
        fewer = min(len(self.words), len(other.words))
        return len(self.words & other.words) >= 0.9 * max(fewer, 1)

    def reading(self) -> str:
        """The quote as an answer shows it, without any ``[n]`` that would look like a citation."""
        first, *others = (_readable_line(self.passage.text, part) for part in self.parts)
        listed = self.parts[-1].kind is Kind.ITEM
        return "\n".join((first, *(f"- {line}" if listed else line for line in others)))

    def citation(self, number: int) -> Citation:
        start, end = self.passage.start + self.start, self.passage.start + self.end
        return Citation(number, self.passage, start, end, self.verbatim, self.relevance)

    def introduces(self, part: Sentence) -> bool:
        """Whether ``part`` belongs to this quote: the next item of its list, or the code after its colon."""
        last = self.parts[-1]
        if part.kind not in (Kind.ITEM, Kind.ROW, Kind.CODE) or part.end - self.start > _MAX_LIST:
            return False
        if len(self.parts) == 1:
            return last.kind is not Kind.HEADING and self.open_ended
        return last.kind is part.kind and part.kind is not Kind.CODE


def quotes(passages: Sequence[Candidate], cancelled: Callable[[], bool] = lambda: False) -> list[Quote]:
    """All quotable sentences, in order; headings and the like only when there is nothing else.

    A line that ends in a colon is quoted with the list or the code that it introduces. No
    further passage is read once ``cancelled``.
    """
    found: list[Quote] = []
    for rank, candidate in takewhile(lambda _: not cancelled(), enumerate(passages)):
        passage, relevance = candidate.hit.passage, candidate.hit.score
        first = len(found)
        for part in sentences(passage.text[:LONGEST_PASSAGE]):
            if len(found) > first and found[-1].introduces(part):
                found[-1] = replace(found[-1], end=part.end, parts=(*found[-1].parts, part))
            else:
                found.append(Quote(rank, passage, relevance, part.start, part.end, (part,)))
    return [quote for quote in found if quote.says_something] or found


def _readable_line(text: str, part: Sentence) -> str:
    def with_spaced_indices(code: str) -> str:
        # `a[1]` in code would look like a citation; `a[ 1 ]` means the same and does not.
        return _INDEX.sub(r"[ \1 ]", code)

    plain = readable(text[part.start : part.end], part.kind)
    if part.kind is Kind.CODE:
        return f"```\n{with_spaced_indices(plain)}\n```"
    return _FOOTNOTE.sub(lambda m: with_spaced_indices(m.group(1) or ""), plain)
