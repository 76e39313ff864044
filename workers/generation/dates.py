"""Whether a quote is of the day or the month that a question names, however each of them writes it."""

from collections.abc import Sequence
from functools import lru_cache

from rag.text.identifiers import Identifier, Kind, named_in
from rag.text.normalising import folded
from rag.text.words import runs
from workers.generation.quotes import Quote

_ANOTHER_DATE = -3.0


def date_agreements(question: str, found: Sequence[Quote]) -> list[float]:
    """For each quote 0, or less where it has other dates than the question, or else its headings have.

    A sheet "January 2025" has no figure of March. A day agrees with its month.
    """
    asked = _dates_in(question)
    return [_agreement(asked, quote) if asked else 0.0 for quote in found]


def _agreement(asked: Sequence[Identifier], quote: Quote) -> float:
    label = quote.statement.label
    near = _dates_in(" ".join((label.text if label else "", quote.verbatim)))
    dates = near or _dates_in(" ".join((quote.passage.title, *quote.path)))
    agree = any(_is_of(date, other) for date in asked for other in dates)
    return 0.0 if agree or not dates else _ANOTHER_DATE


def _is_of(date: Identifier, other: Identifier) -> bool:
    """Whether the dates are the same, or one is a day of the other."""
    one, two = frozenset(date.forms), frozenset(other.forms)
    return not one.isdisjoint(two.union(other.wider)) or not two.isdisjoint(date.wider)


@lru_cache(maxsize=256)
def _dates_in(text: str) -> tuple[Identifier, ...]:
    plain = folded(text)
    return tuple(each for each in named_in(plain, runs(plain)) if each.kind is Kind.DATE)
