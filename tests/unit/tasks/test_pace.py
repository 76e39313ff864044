"""How many jobs go together where keys share the workers."""

from collections.abc import Callable

from rag.model import Stage
from tasks.toolbox import LONGER, Pace

MOST = 16


def settled(pace: Pace, seconds: Callable[[int], float], *, shared: bool = True) -> list[int]:
    """Work batches that take ``seconds`` each; how many jobs the last fifty were of."""
    sizes = []
    for _ in range(200):
        jobs = pace.jobs(Stage.EMBED, MOST)
        pace.note(Stage.EMBED, jobs, seconds(jobs), shared=shared)
        sizes.append(jobs)
    return sizes[-50:]


def test_a_model_that_answers_many_as_fast_as_one_is_asked_for_many() -> None:
    sizes = settled(Pace(), lambda jobs: 0.1)

    assert (sizes.count(MOST), sizes.count(1)) == (49, 1), "once it is looked again what one takes"


def test_where_each_job_costs_its_own_time_they_go_one_by_one() -> None:
    sizes = settled(Pace(), lambda jobs: 0.1 * jobs)

    assert max(sizes) <= 2, "now and then another is tried"
    assert sizes.count(2) <= 3


def test_no_batch_takes_much_longer_than_one_job() -> None:
    def seconds(jobs: int) -> float:
        return 0.1 + 0.01 * jobs

    sizes = settled(Pace(), seconds)

    assert sum(seconds(jobs) <= 1.1 * LONGER * seconds(1) for jobs in sizes) >= 45
    assert sum(jobs >= 4 for jobs in sizes) >= 49


def test_without_keys_as_many_go_together_as_may() -> None:
    assert set(settled(Pace(), lambda jobs: 0.1 * jobs, shared=False)) == {MOST}


def test_a_model_that_has_become_slow_is_noticed() -> None:
    pace = Pace()
    settled(pace, lambda jobs: 0.1)

    assert max(settled(pace, lambda jobs: 0.1 * jobs)) <= 2
