"""How relevant passages are to a question, by all that is known of them.

Pure: features in, relevances in [0, 1] out. A passage that the cross-encoder has not read gets the logit that
its other features let expect, and never more than the lowest that was read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from rag.model import Passage

COSINE = 5.0
MAXSIM = 12.0
COVERAGE = 1.0
LATE_OFFSET = -9.3
"""Late interaction alone. The coefficients are rounded from fits on 24 articles of SQuAD (2,043 questions,
1,027 paragraphs), cross-validated by article (``docs/decisions/0006-retrieval.md``)."""

LATE_UNRELATED_BELOW = 0.45
"""When the best relevance by late interaction is below, the question is unrelated to the documents. It is for
92 % of questions asked with their article left out of the index (two thirds to nine tenths for seven with a
related article in it, more for the others), and for 4 % of those asked with it."""

LATE = 1.0
LOGIT = 0.6
PINNED = 2.0
OFFSET = 0.0
"""Late interaction and the cross-encoder together (``docs/decisions/0051-cross-encoder.md``)."""

UNRELATED_BELOW = 0.45
"""When the best relevance is below, the question is unrelated to the documents."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What tells how relevant a passage is to a question.

    ``retrieval``: the score of the search. ``cosine``: of the dense vectors. ``maxsim``: late interaction's.
    ``coverage``: the share of the question's terms that the passage or its context contains. ``pinned``: see
    :func:`workers.reranking.pins.pinned_shares`. ``logit``: the cross-encoder's; None where it did not
    read the passage.
    """

    passage: Passage
    retrieval: float
    cosine: float
    maxsim: float
    coverage: float
    pinned: float = 0.0
    logit: float | None = None


def relevances(candidates: Sequence[Evidence]) -> list[float]:
    """The relevance of each candidate, in order, in [0, 1]."""
    read = [each.logit for each in candidates if each.logit is not None]
    if not read:
        return [late_relevance(each) for each in candidates]
    unread = min(read)
    return [
        _logistic(
            LATE * late_score(each)
            + LOGIT * (unread if each.logit is None else each.logit)
            + PINNED * each.pinned
            + OFFSET
        )
        for each in candidates
    ]


def late_relevance(candidate: Evidence) -> float:
    """Relevance by late interaction alone."""
    return _logistic(late_score(candidate))


def late_score(candidate: Evidence) -> float:
    features = COSINE * candidate.cosine + MAXSIM * candidate.maxsim + COVERAGE * candidate.coverage
    return features + LATE_OFFSET


def _logistic(score: float) -> float:
    return 1.0 / (1.0 + exp(-max(-500.0, min(500.0, score))))
