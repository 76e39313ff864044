"""How relevant passages are to a question, by all that is known of them.

Pure: features in, relevances in [0, 1] out. The best relevance estimates the probability that the passages
answer the question; each other passage lies as far behind it as its features do. What estimates it depends
on whether the models read the question's language:

- they do: the strongest reading of the cross-encoder. A long text fits a question by chance more often than
  a short one, so a logit is weighed by the length of the text that it is for. Of a short passage the cosine
  is a reading, too;
- they do in part: that, and the share of the question's words, weighed by rarity;
- they do not: the words alone.

Something that the question pins down, and that no passage has, speaks against all of them. The coefficients
are rounded from logistic fits on questions of many kinds, cross-validated by kind
(``docs/decisions/0052-refusing.md``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import exp, log

import numpy as np

from rag.model import Passage, Vector
from rag.text.pinned import Kind
from rag.text.scripts import FULL, NONE

COSINE = 5.0
MAXSIM = 12.0
COVERAGE = 1.0
LATE_OFFSET = -9.3
"""Late interaction: rounded from fits on 24 articles of SQuAD (2,043 questions, 1,027 paragraphs),
cross-validated by article (``docs/decisions/0006-retrieval.md``)."""

LATE = 1.0
LOGIT = 0.8
PINNED = 2.0
TOGETHER = 4.0
"""The order of passages whose language the models read (``docs/decisions/0051-cross-encoder.md``)."""

RETRIEVAL = 0.3
WORDS = 2.5
LOGIT_IN_PART = 0.3
"""The order of passages in other languages: late interaction harms it there."""

UNRELATED_BELOW = 0.25
"""When the best relevance is below, the question is unrelated to the documents."""

LENGTH = 2.5
USUAL_LENGTH = 100  # characters
LEAST_LENGTH = 40

STRENGTH, READ_OFFSET = 0.44, 1.85
OF_FEW, MANY = 0.6, 30
NOTHING_AT_ALL = -10.8
LATE_ANSWERED = -0.9
SHORT = 200  # characters
OF_COSINE, COSINE_BY_CHANCE = 15.0, 0.40
STRENGTH_IN_PART, WORDS_IN_PART, IN_PART_OFFSET = 0.15, 6.7, -2.5
WORDS_ALONE, WORDS_BY_CHANCE = 13.0, 0.26
OFFSET = -1.1
"""Log-odds that the passages answer.

The best of few unrelated passages fits a question by chance less often than that of ``MANY``: ``OF_FEW``
weighs how many times fewer there were, unless the logit is that of texts which have ``NOTHING_AT_ALL`` to do
with each other. ``COSINE_BY_CHANCE``, ``WORDS_BY_CHANCE``: the cosine of a ``SHORT`` passage, and the share
of words, that the best of unrelated passages rarely exceeds."""

DOUBT = {
    Kind.CODE: 10.0,
    Kind.DATE: 10.0,
    Kind.YEAR: 10.0,
    Kind.NUMBER: 6.0,
    Kind.CAPITALS: 6.0,
    Kind.NAME: 2.0,
}
"""What the log-odds lose when no passage has something of this kind that the question pins down."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What tells how relevant a passage is to a question.

    ``retrieval``: the score of the search. ``cosine``: of the dense vectors. ``maxsim``: late interaction's.
    ``coverage``: the share of the question's terms that the passage or its context contains. ``words``:
    the same, weighed by rarity among the candidates. ``together``: the most of that which one sentence of the
    passage has. ``agreement``: see
    :func:`workers.reranking.words.agreements`. ``pinned``: see
    :func:`workers.reranking.pins.pinned_shares`. ``logit``: the cross-encoder's; None where it did not
    read the passage. ``strength``: that of the strongest reading, see :func:`strength_of`. ``similarity``:
    the cosines of the passage's tokens to the question's, (passage tokens, question tokens); ``weights``: of
    the question's tokens, their sum is 1.
    """

    passage: Passage
    retrieval: float
    cosine: float
    maxsim: float
    coverage: float
    words: float = 0.0
    together: float = 0.0
    agreement: float = 0.0
    pinned: float = 0.0
    logit: float | None = None
    strength: float | None = None
    similarity: Vector = field(
        default_factory=lambda: np.zeros((0, 0), np.float32), compare=False, repr=False
    )
    weights: Vector = field(default_factory=lambda: np.zeros(0, np.float32), compare=False, repr=False)


def relevances(
    candidates: Sequence[Evidence],
    vote: float = FULL,
    absent: Collection[Kind] = (),
    by_chance: float = 0.0,
    *,
    searched: int = MANY,
) -> list[float]:
    """The relevance of each candidate, in order, in [0, 1].

    ``vote``: how far the models read the question, see :func:`rag.text.scripts.model_vote`. ``absent``: kinds
    of what the question pins down and no candidate has. ``by_chance``: see ``BY_CHANCE`` of
    :mod:`workers.reranking.votes`. ``searched``: how many passages there were to choose from; ``MANY`` where
    the search left some out.
    """
    if not candidates:
        return []
    scores = _scores(candidates, vote)
    doubt = max((DOUBT[kind] for kind in absent if kind in DOUBT), default=0.0)
    answered = _log_odds(candidates, vote, by_chance, searched) - doubt
    return [logistic(answered + score - max(scores)) for score in scores]


def strength_of(logit: float, characters: int) -> float:
    """A logit of the cross-encoder, weighed by the length of the text that it read."""
    return logit - LENGTH * log(max(characters, LEAST_LENGTH) / USUAL_LENGTH)


def promise(candidate: Evidence, vote: float) -> float:
    """What a candidate promises before the cross-encoder reads it; a higher one is better."""
    agreed = TOGETHER * candidate.together + candidate.agreement
    if vote < FULL:
        return RETRIEVAL * candidate.retrieval + WORDS * candidate.words + agreed
    return LATE * late_score(candidate) + PINNED * candidate.pinned + agreed


def late_score(candidate: Evidence) -> float:
    """Log-odds by late interaction alone."""
    features = COSINE * candidate.cosine + MAXSIM * candidate.maxsim + COVERAGE * candidate.coverage
    return features + LATE_OFFSET


def _scores(candidates: Sequence[Evidence], vote: float) -> list[float]:
    """By these the candidates are ordered. An unread one gets the lowest logit that was read."""
    lowest = min((each.logit for each in candidates if each.logit is not None), default=0.0)
    weight = LOGIT if vote >= FULL else LOGIT_IN_PART
    return [
        promise(each, vote) + weight * (lowest if each.logit is None else each.logit) for each in candidates
    ]


def _log_odds(candidates: Sequence[Evidence], vote: float, by_chance: float, searched: int) -> float:
    """Of the question being answered by the candidates."""
    strengths = [each.strength for each in candidates if each.strength is not None]
    words = max(each.words for each in candidates)
    if vote >= FULL:
        if strengths:
            read = STRENGTH * max(strengths) + READ_OFFSET + _scarcity(candidates, searched)
            return max(read, _log_odds_of_short(candidates))
        return max(map(late_score, candidates)) + LATE_ANSWERED
    if vote > NONE and strengths:
        return STRENGTH_IN_PART * max(strengths) + WORDS_IN_PART * words + IN_PART_OFFSET
    return WORDS_ALONE * (words - WORDS_BY_CHANCE - by_chance) + OFFSET


def _scarcity(candidates: Sequence[Evidence], searched: int) -> float:
    """What the log-odds gain because few passages had the chance to fit."""
    logit = max(each.logit for each in candidates if each.logit is not None)
    above = min(max(logit - NOTHING_AT_ALL, 0.0), 1.0)
    return OF_FEW * above * log(MANY / min(max(searched, 1), MANY))


def _log_odds_of_short(candidates: Sequence[Evidence]) -> float:
    """By the vectors of passages of a sentence or two, in which nothing hides what they are about."""
    cosines = [each.cosine for each in candidates if len(each.passage.text) <= SHORT]
    return OF_COSINE * (max(cosines, default=-1.0) - COSINE_BY_CHANCE) + OFFSET


def logistic(score: float) -> float:
    """The probability of log-odds."""
    return 1.0 / (1.0 + exp(-max(-500.0, min(500.0, score))))
