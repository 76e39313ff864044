"""What passages have of a question's words, and of what it pins down."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from math import log

from rag.model import Passage
from rag.text.context import text_in_context
from rag.text.lexical import Feature
from rag.text.mentions import mentions_of
from rag.text.pinned import Kind, Pinned, absent_terms, pinned_terms

AGREES: Mapping[Kind, float] = {
    Kind.CODE: 6.0,
    Kind.DATE: 6.0,
    Kind.NUMBER: 3.0,
    Kind.YEAR: 3.0,
    Kind.CAPITALS: 1.0,
    Kind.FULL_NAME: 1.0,
}
"""What the log-odds gain when a passage has what the question pins down. The words of a name are
words like others, a whole name is not: of 600 rows some have its first name, others its last."""

_LONG_NUMBER = 4  # digits; so long a number is a code
MOST_AGREEMENT = 9.0


def agreements(question: str, passages: Sequence[Passage], metadata_fields: Sequence[str]) -> list[float]:
    """For each passage, or its context, how far it agrees with the numbers, codes and dates of a question.

    In log-odds: 0 for a passage that has none of them, up to ``MOST_AGREEMENT``.
    """
    weights = [(each, _weight(each)) for each in pinned_terms(question) if each.kind in AGREES]
    if not weights:
        return [0.0] * len(passages)
    there = [mentions_of(text_in_context(each, metadata_fields)) for each in passages]
    agreed = [sum(weight for each, weight in weights if each.is_in(mentions)) for mentions in there]
    return [min(each, MOST_AGREEMENT) for each in agreed]


def _weight(pinned: Pinned) -> float:
    digits = max(map(len, pinned.forms))
    is_code = pinned.kind is Kind.NUMBER and digits >= _LONG_NUMBER
    return AGREES[Kind.CODE if is_code else pinned.kind]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of what is asked, 0 to 1, that a passage has, and that one of its sentences has."""

    whole: float
    sentence: float


def coverages(asked: Sequence[Feature], parts: Sequence[Sequence[AbstractSet[int]]]) -> list[Coverage]:
    """For each passage how much it has of what is asked; what few passages have weighs more.

    ``parts``: the terms of each passage's context, which are those of each of its sentences as well, and
    then of its sentences.
    """
    places = defaultdict[int, set[int]](set)
    for place, feature in enumerate(asked):
        for term in feature.ids:
            places[term].add(place)
    met = [[_met(places, terms) for terms in passage] for passage in parts]
    wholes = [frozenset[int]().union(*passage) for passage in met]
    counts = Counter(chain.from_iterable(wholes))
    weights = [
        feature.weight * log(1 + (len(parts) + 1) / (counts[place] + 0.5))
        for place, feature in enumerate(asked)
    ]
    total = sum(weights) or 1.0

    def share(places: AbstractSet[int]) -> float:
        return sum(weights[place] for place in sorted(places)) / total

    return [
        Coverage(share(whole), max((share(context | each) for each in sentences), default=share(context)))
        for whole, (context, *sentences) in zip(wholes, met, strict=True)
    ]


def _met(places: Mapping[int, AbstractSet[int]], terms: AbstractSet[int]) -> frozenset[int]:
    """Which of what is asked the ``terms`` have. ``places``: of each term that is asked for."""
    return frozenset(chain.from_iterable(places[term] for term in places.keys() & terms))


def absent_kinds(
    question: str, passages: Sequence[Passage], metadata_fields: Sequence[str]
) -> frozenset[Kind]:
    """The kinds of what the question pins down and none of the passages has, nor their context."""
    texts = (text_in_context(passage, metadata_fields) for passage in passages)
    return frozenset(each.kind for each in absent_terms(question, texts))
