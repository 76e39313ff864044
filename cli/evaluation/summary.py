"""The figures of many scores: of each kind of question, and of all."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import percentile
from cli.evaluation.scoring import GOOD, Score, Verdict

ALL = "all kinds"
"""The name of the figures over all kinds."""

_GIVEN = frozenset({Verdict.RIGHT, Verdict.PARTLY, Verdict.WRONG, Verdict.UNJUDGED, Verdict.ANSWERED})
"""Those of answers, which are no refusals."""

_JUDGED = frozenset(Verdict) - {Verdict.UNJUDGED, Verdict.FAILED}


@dataclass(frozen=True, slots=True)
class Summary:
    """Shares are in [0, 1], and None where nothing was measured.

    Attributes:
        first, among_ten: share of the questions with a hit from a right document in the first place, and
            among the ten first.
        in_hits, in_first, in_answer: mean share of what is needed that the ten hits, the first hit and the
            answer hold.
        right: share of the judged questions that are right or rightly turned away.
        refused: share of the questions without an answer that were turned away.
        falsely_refused: share of the questions with an answer that were refused.
        page: share of the questions with a known page whose first citation names it.
        words: mean length of an answer that was not refused.
        p50, p95: milliseconds of a question that was asked alone.
    """

    questions: int
    verdicts: Mapping[Verdict, int]
    mrr: float | None
    ndcg: float | None
    recall: float | None
    first: float | None
    among_ten: float | None
    in_hits: float | None
    in_first: float | None
    in_answer: float | None
    right: float | None
    refused: float | None
    falsely_refused: float | None
    page: float | None
    words: float | None
    p50: float | None
    p95: float | None
    right_refusals: Mapping[str, int]
    false_refusals: Mapping[str, int]

    def count(self, verdict: Verdict) -> int:
        return self.verdicts.get(verdict, 0)


def summaries(scores: Sequence[Score]) -> dict[str, Summary]:
    """Of each kind in the order in which they come, and of ``ALL``; of one kind alone only ``ALL``."""
    kinds = list(dict.fromkeys(score.kind for score in scores))
    by_kind = {kind: [score for score in scores if score.kind == kind] for kind in kinds}
    of_kinds = {kind: summary(those) for kind, those in by_kind.items()} if len(kinds) > 1 else {}
    return {**of_kinds, ALL: summary(scores)}


def summary(scores: Sequence[Score]) -> Summary:
    answerable = [s for s in scores if s.answerable and s.verdict is not Verdict.FAILED]
    others = [s for s in scores if not s.answerable and s.verdict is not Verdict.FAILED]
    ranks = [s.reciprocal_rank for s in scores if s.reciprocal_rank is not None]
    seconds = [s.seconds for s in scores if s.seconds is not None]
    given = [s.words for s in scores if s.verdict in _GIVEN]
    return Summary(
        questions=len(scores),
        verdicts=dict(Counter(s.verdict for s in scores)),
        mrr=_mean(ranks),
        ndcg=_mean(s.ndcg for s in scores),
        recall=_mean(s.recall for s in scores),
        first=_mean(rank == 1 for rank in ranks),
        among_ten=_mean(rank > 0 for rank in ranks),
        in_hits=_mean(s.hits_held for s in scores),
        in_first=_mean(s.first_held for s in scores),
        in_answer=_mean(s.held for s in scores),
        right=_mean(s.verdict in GOOD for s in scores if s.verdict in _JUDGED),
        refused=_mean(s.verdict is Verdict.TURNED_AWAY for s in others),
        falsely_refused=_mean(s.verdict is Verdict.REFUSED for s in answerable),
        page=_mean(s.page_right for s in scores),
        words=_mean(given),
        p50=1000 * percentile(seconds, 0.5) if seconds else None,
        p95=1000 * percentile(seconds, 0.95) if seconds else None,
        right_refusals=_reasons(scores, Verdict.TURNED_AWAY),
        false_refusals=_reasons(scores, Verdict.REFUSED),
    )


def _reasons(scores: Iterable[Score], verdict: Verdict) -> Mapping[str, int]:
    return dict(Counter(score.reason for score in scores if score.verdict is verdict))


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None
