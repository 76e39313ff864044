"""How long a stage waits for a part that is away."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rag.errors import NotFound, Refused, Unavailable
from rag.model import Job, JobKind, JobState, Progress, Stage
from tasks.stages import retry_while_away
from tasks.stages.retry_while_away import REST, SECONDS, patient
from tasks.stages.run import Done, Next, Outcome

DONE = Done(lambda *_: {})


class Run:
    """What a stage keeps, and a part that is away as long as ``error`` says why."""

    def __init__(self) -> None:
        self.job = Job("1", JobKind.PRUNE, JobState.RUNNING, Stage.PRUNE, "", {}, 0.0, 0.0)
        self.artefacts: dict[str, bytes] = {}
        self.error: Exception | None = None

    def save(self, name: str, data: bytes) -> None:
        self.artefacts[name] = data

    def load(self, name: str) -> bytes:
        if name not in self.artefacts:
            raise NotFound(name)
        return self.artefacts[name]


@patient
def work(run: Any) -> Outcome:
    if run.error:
        raise run.error
    return DONE


@pytest.fixture
def pass_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many seconds pass."""
    now = [1000.0]
    monkeypatch.setattr(retry_while_away, "time", lambda: now[0])

    def later(seconds: float) -> None:
        now[0] += seconds

    return later


def test_it_rests_until_the_part_is_back_and_no_longer_than_it_may(
    pass_by: Callable[[float], None],
) -> None:
    run: Any = Run()
    run.error = Unavailable("connection refused")

    assert work(run) == Next(Stage.PRUNE, rest=REST, why=run.error)
    pass_by(SECONDS)
    assert work(run) == Next(Stage.PRUNE, rest=REST, why=run.error)
    pass_by(1)
    with pytest.raises(Unavailable):
        work(run)


def test_every_absence_counts_by_itself(pass_by: Callable[[float], None]) -> None:
    run: Any = Run()

    for _ in range(5):
        run.error = Unavailable("connection refused")
        assert work(run) == Next(Stage.PRUNE, rest=REST, why=run.error)
        run.error = None
        assert work(run) == DONE
        pass_by(SECONDS + 1)


def test_progress_between_two_absences_counts(pass_by: Callable[[float], None]) -> None:
    run: Any = Run()
    run.error = Unavailable("connection refused")

    for done in range(5):
        run.job = replace(run.job, progress=Progress(done, 5))
        assert work(run) == Next(Stage.PRUNE, rest=REST, why=run.error)
        pass_by(SECONDS + 1)


def test_it_rests_for_as_long_as_the_part_asks() -> None:
    run: Any = Run()
    run.error = Unavailable("the disk is too slow", retry_after=300)

    assert work(run) == Next(Stage.PRUNE, rest=300, why=run.error)


def test_a_refusal_is_not_waited_out() -> None:
    run: Any = Run()
    run.error = Refused("the bucket refuses the credentials")

    with pytest.raises(Refused):
        work(run)
