"""Whether two runs over the same questions differ by more than chance.

The p-value is that of a paired randomisation test: how often a mean difference at least as large comes about
when each question's two values are swapped at random. The interval is the percentile bootstrap's over
questions. Both are described by Smucker, Allan and Carterette, "A Comparison of Statistical Significance
Tests for Information Retrieval Evaluation", CIKM 2007. Draws are seeded, so a comparison can be repeated.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cli.evaluation.scoring import GOOD, Score, Verdict
from cli.evaluation.summary import ALL

DRAWS = 10_000
CONFIDENCE = 0.95
SEED = 7
_CELLS = 5_000_000
"""Random numbers that are held at once."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one measure between two runs. ``low`` and ``high`` bound the 95 % interval of ``after - before``."""

    kind: str
    measure: str
    questions: int
    before: float
    after: float
    low: float
    high: float
    p: float

    @property
    def is_significant(self) -> bool:
        return self.p < 1 - CONFIDENCE


def _refused_falsely(score: Score) -> float | None:
    return float(score.verdict is Verdict.REFUSED) if score.answerable else None


MEASURES: Mapping[str, Callable[[Score], float | None]] = {
    "MRR@10": lambda score: score.reciprocal_rank,
    "nDCG@10": lambda score: score.ndcg,
    "in hits": lambda score: score.hits_held,
    "in answer": lambda score: score.held,
    "right": lambda score: None if score.verdict is Verdict.UNJUDGED else float(score.verdict in GOOD),
    "falsely refused": _refused_falsely,
}
"""What is compared, by name: a value of each question, or None where it has none.

Right includes what was rightly turned away.
"""


def differences(before: Sequence[Score], after: Sequence[Score]) -> Iterator[Difference]:
    """Of every measure, kind by kind and over all, for the questions that both runs have."""
    earlier = {score.id: score for score in before}
    pairs = [(earlier[score.id], score) for score in after if score.id in earlier]
    kinds = list(dict.fromkeys(score.kind for _, score in pairs))
    for kind in [*(kinds if len(kinds) > 1 else ()), ALL]:
        those = [pair for pair in pairs if kind in (ALL, pair[1].kind)]
        for measure, value in MEASURES.items():
            values = [(value(old), value(new)) for old, new in those]
            both = [(a, b) for a, b in values if a is not None and b is not None]
            if both:
                yield difference(kind, measure, *zip(*both, strict=True))


def difference(kind: str, measure: str, before: Sequence[float], after: Sequence[float]) -> Difference:
    """``before`` and ``after``: the values of the same questions in the same order, at least one."""
    old, new = np.asarray(before, np.float64), np.asarray(after, np.float64)
    gaps = new - old
    low, high = interval(gaps)
    means = float(old.mean()), float(new.mean())
    return Difference(kind, measure, len(gaps), *means, low, high, p_value(gaps))


def p_value(gaps: Values) -> float:
    """Of the paired randomisation test, two-sided: the observed assignment counts as one draw."""
    if not gaps.any():
        return 1.0
    observed = abs(gaps.sum()) - 1e-9
    draw = np.random.default_rng(SEED)
    extreme = 0
    for rows in _blocks(len(gaps)):
        signs = draw.integers(0, 2, (rows, len(gaps)), np.int8) * np.int8(2) - np.int8(1)
        extreme += int((np.abs(signs @ gaps) >= observed).sum())
    return (extreme + 1) / (DRAWS + 1)


def interval(gaps: Values) -> tuple[float, float]:
    """The bootstrap's interval of the mean difference."""
    draw = np.random.default_rng(SEED)
    means = [gaps[draw.integers(0, len(gaps), (rows, len(gaps)))].mean(axis=1) for rows in _blocks(len(gaps))]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def _blocks(width: int) -> Iterator[int]:
    """How many draws at a time, DRAWS in all."""
    most, left = max(1, _CELLS // width), DRAWS
    while left:
        rows = min(most, left)
        yield rows
        left -= rows
