"""What an answer may quote of the passages, and how it shows it."""

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import takewhile

from rag.model import Candidate, Citation, Passage
from rag.model.bounds import LONGEST_PASSAGE
from rag.text.sentences import Kind, Sentence, readable
from workers.generation.rows import Cell, asked_cells, asks_and_answers, cells_of
from workers.generation.statements import Form, Statement, statements, without_answer_mark
from workers.generation.words import content_words

MORE = "…"
"""Stands where a list goes on beyond what is quoted."""

_LONGEST_LIST = 1_200  # characters
_LONGEST_LEAD = 80  # characters
_FULL_PASSAGE = 400
"""Characters of a passage that may have been cut from a longer text: a list at its end may go on."""

_FOOTNOTE = re.compile(r"(`[^`\n]++`)|\s?\[\d++\]")
_INDEX = re.compile(r"\[(\d++)\]")
_NUMBER = re.compile(r"\d[\d.,:/-]*")
_SENTENCE_END = re.compile(r"[.!?。！？؟।]\W{0,3}\Z")
_PRONOUN = re.compile(
    r"(?:it|its|they|them|their|this|these|that|those|he|she|such|er|sie|es|ihr|ihre|dies|diese[rsmn]?|"
    r"deren|dessen)\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:return|read|write|set|specifie|specify|create|print|display|convert|determine|enable|disable|execute|"
    r"copie|copy|remove|add|show|list|indicate|control|define|describe|allow|raised|equivalent|subclass|"
    r"gibt|liefert|setzt|erzeugt|legt|bestimmt|zeigt)s?\b",
    re.IGNORECASE,
)
_MARKED = re.compile(r"(?:[-*+•‣◦]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
_STEP = re.compile(r"\(?(\d{1,3})[.)]\s")


@dataclass(frozen=True)
class Quote:
    """Parts of a statement of the ``rank``-th best passage (0 is the best), from ``start`` to ``end``.

    ``whole``: all items of a list; the list's introduction tells what it is about, so its items do not.
    ``begins``, ``goes_on``: whether to show that the list began before, and goes on after it.
    """

    rank: int
    passage: Passage
    relevance: float
    statement: Statement
    parts: tuple[Sentence, ...]
    whole: bool = False
    begins: bool = True
    goes_on: bool = True

    @property
    def start(self) -> int:
        return self.parts[0].start

    @property
    def end(self) -> int:
        return self.parts[-1].end

    @property
    def verbatim(self) -> str:
        return self.passage.text[self.start : self.end]

    @property
    def is_announced(self) -> bool:
        """Whether a line announces the list or the code."""
        return len(self.parts) > 1 and self.parts[0].kind is Kind.PROSE

    @cached_property
    def values(self) -> frozenset[str]:
        """The words of what is said; the names of a row's columns are none."""
        if not self.cells:
            return self.own_words
        return frozenset[str]().union(*(content_words(cell.value) for cell in self.cells))

    @cached_property
    def cells(self) -> list[Cell]:
        """Of a row of a table in words; none of any other text."""
        return cells_of(self.verbatim) if len(self.parts) == 1 else []

    @cached_property
    def own_words(self) -> frozenset[str]:
        """Of what is quoted."""
        return content_words(without_answer_mark(self.verbatim))

    @cached_property
    def label_words(self) -> frozenset[str]:
        """Of the question that it answers, the term that it explains, or the line that announces it."""
        label = self.statement.label
        words = content_words(label.text) if label else frozenset()
        first = self.statement.parts[0]
        if first.kind is not Kind.ITEM and first is not self.parts[0]:
            words |= content_words(self.passage.text[first.start : first.end])
        return words

    @cached_property
    def heading_words(self) -> frozenset[str]:
        """Of what it stands under: headings, and the document's title."""
        return _words_of(self.passage.title, *self.path)

    @property
    def path(self) -> tuple[str, ...]:
        return (*self.passage.headings, *self.statement.headings)

    @cached_property
    def numbers(self) -> frozenset[str]:
        return frozenset(_NUMBER.findall(self.verbatim))

    @property
    def says_something(self) -> bool:
        """False for a heading, and for a line that announces what does not follow."""
        announces = len(self.parts) == 1 and self.verbatim.rstrip("*_").endswith((":", "："))
        return self.parts[0].kind is not Kind.HEADING and not announces

    @property
    def is_sentence(self) -> bool:
        return _SENTENCE_END.search(self.verbatim) is not None

    def tells_more_than(self, asked: AbstractSet[str]) -> bool:
        """False for a label that has no other words than the question. A sentence may say that it is so."""
        return self.is_sentence or not self.values <= asked

    def covers(self, other: "Quote") -> bool:
        """Whether ``other`` is a part of this quote."""
        return self.passage is other.passage and self.start <= other.start and other.end <= self.end

    def says_the_same_as(self, other: "Quote") -> bool:
        """Whether the longer quote has nearly all words of the shorter one, and all its numbers."""
        if self.covers(other) or other.covers(self):
            return True
        fewer, more = sorted((self, other), key=lambda quote: len(quote.own_words))
        alike = len(fewer.own_words & more.own_words) >= 0.9 * max(len(fewer.own_words), 1)
        return alike and fewer.numbers <= more.numbers

    def reading(self, asked: AbstractSet[str]) -> str:
        """The quote as an answer shows it, without any ``[n]`` that would look like a citation."""
        if self.cells:
            return _cite_nothing(_row(self.cells, asked))
        if self.parts[-1].kind is Kind.ITEM:
            return self._list()
        lines = [self._line(part) for part in self.parts]
        lines[0] = self._lead() + lines[0]
        broken = any(part.kind in (Kind.CODE, Kind.ROW) for part in self.parts)
        return ("\n" if broken else " ").join(lines)

    def citation(self, number: int) -> Citation:
        start, end = self.passage.start + self.start, self.passage.start + self.end
        return Citation(number, self.passage, start, end, self.verbatim, self.relevance)

    def _line(self, part: Sentence) -> str:
        return _readable_line(self.passage.text, part)

    def _lead(self) -> str:
        """The term or heading that the quote needs to be understood, with a colon."""
        label = self.statement.label
        if label is not None and label.form is Form.TERM:
            said = self.is_sentence and content_words(label.text) <= self.own_words
            return "" if said else f"{_shortened(label.text)}: "
        if label is not None or not self.path or not self.needs_a_noun:
            return ""
        heading = readable(self.path[-1], Kind.HEADING).rstrip(" ¶#")
        return f"{heading}: " if len(heading) <= _LONGEST_LEAD else ""

    @property
    def needs_a_noun(self) -> bool:
        """Whether it begins with a pronoun, or has no subject."""
        return _PRONOUN.match(self.verbatim) is not None or self.lacks_a_subject

    @property
    def lacks_a_subject(self) -> bool:
        """Whether it begins with a verb, as the text below a signature does: "Returns the length"."""
        return _VERB.match(self.verbatim) is not None

    def _list(self) -> str:
        """The line that announces the list, and its items; their numbers stay."""
        announced = self.parts[0].kind is not Kind.ITEM
        lines = [self._line(self.parts[0])] if announced else []
        items = list(_items(self.passage.text, self.parts[announced:]))
        if len(items) == 1 and not announced:
            (item,) = items
            return " ".join(self._line(part) for part in item)
        lines += [_bullet(self.passage.text, item) for item in items]
        before = self.begins and self.began_before
        after = self.goes_on and self.may_go_on
        return "\n".join((*([MORE] if before else ()), *lines, *([MORE] if after else ())))

    @property
    def began_before(self) -> bool:
        """Whether the list's first step is not the first."""
        first = next(part for part in self.parts if part.kind is Kind.ITEM)
        step = _STEP.match(self.passage.text, first.start)
        return self.parts[0] is first and step is not None and int(step[1]) > 1

    @property
    def may_go_on(self) -> bool:
        """Whether the list is longer than the quote, or ends where its passage may have been cut."""
        text = self.passage.text
        at_end = not text[self.end :].strip() and len(text) >= _FULL_PASSAGE
        return self.end < self.statement.end or at_end


@lru_cache(maxsize=64)
def _words_of(*headings: str) -> frozenset[str]:
    """Of headings, which all sentences below have in common."""
    return content_words(" ".join(headings))


def quotes(passages: Sequence[Candidate], cancelled: Callable[[], bool] = lambda: False) -> list[Quote]:
    """All that may be quoted, in order, and never a heading.

    A line that announces what does not follow is there only where nothing else is. A list is there as a
    whole and by its items. No further passage is read once ``cancelled``.
    """
    found: list[Quote] = []
    for rank, candidate in takewhile(lambda _: not cancelled(), enumerate(passages)):
        passage, relevance = candidate.hit.passage, candidate.hit.score
        for statement in statements(passage.text[:LONGEST_PASSAGE]):
            for parts in _quotable(passage.text, statement):
                whole = len(parts) > 1 and parts[-1].kind is Kind.ITEM
                found.append(Quote(rank, passage, relevance, statement, parts, whole))
    return [quote for quote in found if quote.says_something] or found


def _quotable(text: str, statement: Statement) -> Iterator[tuple[Sentence, ...]]:
    """The parts of a statement that fit an answer; of a list also each item alone."""
    parts = statement.parts
    fitting = tuple(takewhile(lambda part: part.end - statement.start <= _LONGEST_LIST, parts[1:]))
    yield (parts[0], *fitting)
    items = list(_items(text, [part for part in parts if part.kind is Kind.ITEM]))
    if len(items) > 1 or (items and parts[0].kind is not Kind.ITEM):
        yield from map(tuple, items)


def _items(text: str, parts: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    """The sentences of each item of a list."""
    item: list[Sentence] = []
    for part in parts:
        if item and _MARKED.match(text, part.start):
            yield item
            item = []
        item.append(part)
    if item:
        yield item


def _shortened(term: str) -> str:
    """A term without what makes it long, such as the parameters of a function."""
    if len(term) <= _LONGEST_LEAD:
        return term
    name, bracket, _ = term.partition("(")
    return f"{name}(…)" if bracket and len(name) <= _LONGEST_LEAD else f"{term[:_LONGEST_LEAD].rstrip()}…"


def _bullet(text: str, item: Sequence[Sentence]) -> str:
    step = _STEP.match(text, item[0].start)
    return f"{f'{step[1]}.' if step else '-'} {' '.join(_readable_line(text, part) for part in item)}"


def _row(cells: Sequence[Cell], asked: AbstractSet[str]) -> str:
    if pair := asks_and_answers(cells, asked, content_words):
        return readable(pair[1].value, Kind.PROSE)
    chosen = asked_cells(cells, asked, content_words)
    return "; ".join(f"{cell.name}: {readable(cell.value, Kind.PROSE)}" for cell in chosen)


def _readable_line(text: str, part: Sentence) -> str:
    plain = readable(text[part.start : part.end], part.kind)
    if part.kind is Kind.CODE:
        return f"```\n{_space_indices(plain)}\n```"
    return _cite_nothing(without_answer_mark(plain))


def _cite_nothing(line: str) -> str:
    return _FOOTNOTE.sub(lambda m: _space_indices(m[1] or ""), line)


def _space_indices(code: str) -> str:
    # `a[1]` in code would look like a citation; `a[ 1 ]` means the same and does not.
    return _INDEX.sub(r"[ \1 ]", code)
