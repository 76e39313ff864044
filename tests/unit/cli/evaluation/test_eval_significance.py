"""Two runs are compared question by question, and the same comparison has the same result."""

from itertools import product

import numpy as np
import pytest

from cli.evaluation.scoring import Score, Verdict
from cli.evaluation.significance import difference, differences, interval, p_value
from cli.evaluation.summary import ALL


def exact(gaps: list[float]) -> float:
    """The p-value over every assignment of signs."""
    assignments = product((1, -1), repeat=len(gaps))
    sums = [abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) for signs in assignments]
    return sum(each >= abs(sum(gaps)) - 1e-9 for each in sums) / len(sums)


@pytest.mark.parametrize(
    "gaps", [[1.0] * 6, [1.0, -1.0, 1.0, 1.0, 0.5], [0.2, 0.1, -0.3, 0.4, 0.9, 0.1, 0.0]]
)
def test_the_p_value_is_that_of_all_assignments(gaps: list[float]) -> None:
    assert p_value(np.array(gaps)) == pytest.approx(exact(gaps), abs=0.015)


def test_equal_runs_do_not_differ() -> None:
    same = difference("k", "m", [0.0, 1.0, 0.5], [0.0, 1.0, 0.5])

    assert (same.p, same.low, same.high, same.is_significant) == (1, 0, 0, False)


def test_a_gain_on_most_of_many_questions_is_significant() -> None:
    before, after = [0.0] * 200, [1.0] * 30 + [0.0] * 170

    found = difference("k", "m", before, after)

    assert found.is_significant
    assert found.p < 0.001
    assert found.low < 0.15 < found.high
    assert found.low > 0.09


def test_a_comparison_can_be_repeated() -> None:
    gaps = np.random.default_rng(1).normal(0.1, 1, 300)

    assert p_value(gaps) == p_value(gaps)
    assert interval(gaps) == interval(gaps)


def test_the_interval_is_that_of_the_normal_distribution_for_many_questions() -> None:
    gaps = np.random.default_rng(2).normal(0.2, 1, 2_000)

    low, high = interval(gaps)

    error = 1.96 * gaps.std() / 2_000**0.5
    assert low == pytest.approx(gaps.mean() - error, abs=0.005)
    assert high == pytest.approx(gaps.mean() + error, abs=0.005)


def test_one_question_has_an_interval_of_its_own_gap() -> None:
    found = difference("k", "m", [0.0], [1.0])

    assert (found.low, found.high, found.p) == (1, 1, 1)


def scored(question_id: str, kind: str, verdict: Verdict, rank: float | None = None) -> Score:
    return Score(question_id, kind, "q", "e", verdict, answerable=True, reciprocal_rank=rank)


def test_questions_are_paired_by_their_ids_kind_by_kind() -> None:
    before = [
        scored("1", "a", Verdict.WRONG, 0.5),
        scored("2", "b", Verdict.RIGHT),
        scored("9", "b", Verdict.RIGHT),
    ]
    after = [
        scored("2", "b", Verdict.REFUSED),
        scored("1", "a", Verdict.RIGHT, 1.0),
        scored("8", "a", Verdict.WRONG),
    ]

    found = {(each.kind, each.measure): each for each in differences(before, after)}

    assert (found["a", "MRR@10"].before, found["a", "MRR@10"].after) == (0.5, 1)
    assert (found["b", "right"].before, found["b", "right"].after) == (1, 0)
    assert found[ALL, "right"].questions == 2
    assert found[ALL, "falsely refused"].after == 0.5
    assert ("b", "MRR@10") not in found


def test_runs_without_a_common_question_have_no_differences() -> None:
    assert list(differences([scored("1", "a", Verdict.RIGHT)], [scored("2", "a", Verdict.RIGHT)])) == []
