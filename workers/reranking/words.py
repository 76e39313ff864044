"""What passages have of a question's words, and of what it pins down."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
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
    Kind.FULL_NAME: 2.0,
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


def rare_coverages(asked: Sequence[Feature], there: Sequence[AbstractSet[int]]) -> list[float]:
    """For each passage, the share of what is asked that it has, 0 to 1; what few passages have weighs more.

    ``there``: the terms of each passage.
    """
    met = [[not terms.isdisjoint(feature.ids) for feature in asked] for terms in there]
    counts = Counter(place for each in met for place, is_met in enumerate(each) if is_met)
    weights = [
        feature.weight * log(1 + (len(there) + 1) / (counts[place] + 0.5))
        for place, feature in enumerate(asked)
    ]
    whole = sum(weights) or 1.0
    return [sum(w for w, is_met in zip(weights, each, strict=True) if is_met) / whole for each in met]


def absent_kinds(
    question: str, passages: Sequence[Passage], metadata_fields: Sequence[str]
) -> frozenset[Kind]:
    """The kinds of what the question pins down and none of the passages has, nor their context."""
    texts = (text_in_context(passage, metadata_fields) for passage in passages)
    return frozenset(each.kind for each in absent_terms(question, texts))
