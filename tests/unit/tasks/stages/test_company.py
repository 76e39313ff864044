"""Jobs that are worked at the same time share their calls, and nothing else."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from rag.errors import InvalidRequest, Unavailable
from rag.model import Job, JobKind, JobState, Stage
from tasks.stages import batch
from tasks.stages.batch import Batch, BatchItem
from tasks.stages.run import Next, Outcome, Shared, StageRun, Steps
from tasks.toolbox import Drained


class Model:
    """Lengths of texts; ``calls`` are the batches it was asked for."""

    def __init__(self, refuses: Callable[[Sequence[str]], BaseException | None] = lambda texts: None) -> None:
        self.calls: list[list[str]] = []
        self._refuses = refuses

    def lengths(self, texts: Sequence[str]) -> list[int]:
        self.calls.append(list(texts))
        if error := self._refuses(texts):
            raise error
        return [len(text) for text in texts]


def together(*works: Steps) -> list[BatchItem]:
    runs = [
        SimpleNamespace(job=Job(f"j{n}", JobKind.INGEST, JobState.RUNNING, Stage.EMBED, "docs", {}, 0.0, 0.0))
        for n in range(len(works))
    ]
    return [BatchItem(cast("StageRun", run), steps) for run, steps in zip(runs, works, strict=True)]


def asking(model: Model, texts: Sequence[str], got: list[int] | None = None, **how: Any) -> Steps:
    answers = yield Shared(model.lengths, texts, **how)
    if got is not None:
        got += answers
    return Next(Stage.INDEX, size=sum(answers))


def ends(members: Sequence[BatchItem]) -> list[Outcome | Exception | None]:
    return [member.end for member in members]


def refusing(text: str, error: BaseException) -> Callable[[Sequence[str]], BaseException | None]:
    return lambda texts: error if text in texts else None


def test_jobs_share_one_call_and_each_gets_its_own_answers() -> None:
    model, got = Model(), [list[int]() for _ in range(3)]
    members = together(*(asking(model, texts, got[i]) for i, texts in enumerate((["a", "bb"], [], ["ccc"]))))

    Batch(members).work()

    assert model.calls == [["a", "bb", "ccc"]]
    assert got == [[1, 2], [], [3]]
    assert ends(members) == [Next(Stage.INDEX, 3), Next(Stage.INDEX, 0), Next(Stage.INDEX, 3)]


def test_calls_that_differ_in_more_than_their_items_are_made_apart() -> None:
    model, other = Model(), Model()
    members = together(
        asking(model, ["a"], within="x"),
        asking(model, ["b"], within="y"),
        asking(other, ["c"]),
        asking(other, ["d"]),
    )

    Batch(members).work()

    assert model.calls == [["a"], ["b"]]
    assert other.calls == [["c", "d"]]


def test_what_one_text_breaks_fails_its_own_job_alone() -> None:
    model = Model(refusing("bad", InvalidRequest("no such text")))
    members = together(*(asking(model, [text]) for text in ("a", "bad", "b")))

    Batch(members).work()

    assert model.calls == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    assert isinstance(members[1].end, InvalidRequest)
    assert (members[0].end, members[2].end) == (Next(Stage.INDEX, 1),) * 2


def test_a_job_that_fails_between_calls_stops_no_other() -> None:
    def failing() -> Steps:
        raise ZeroDivisionError
        yield

    model = Model()
    members = together(failing(), asking(model, ["a"]))

    Batch(members).work()

    assert isinstance(members[0].end, ZeroDivisionError)
    assert members[1].end == Next(Stage.INDEX, 1)


def test_jobs_of_different_length_go_on_by_themselves() -> None:
    def long(model: Model) -> Steps:
        for text in ("a", "b", "c"):
            yield Shared(model.lengths, [text])
        return Next(Stage.INDEX)

    model = Model()
    members = together(long(model), asking(model, ["z"]))

    Batch(members).work()

    assert model.calls == [["a", "z"], ["b"], ["c"]]
    assert None not in ends(members)


def test_what_takes_too_long_is_not_tried_for_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PATIENCE_SECONDS", -1.0)
    model = Model(refusing("a", Unavailable("it answered nothing")))
    members = together(asking(model, ["a"]), asking(model, ["b"]))

    Batch(members).work()

    assert len(model.calls) == 1
    assert ends(members) == [None, None], "they are given back"


def test_a_call_that_meets_the_time_limit_is_nobodys_fault_but_of_a_job_alone() -> None:
    model = Model(refusing("a", SoftTimeLimitExceeded()))
    both, alone = together(asking(model, ["a"]), asking(model, ["b"])), together(asking(model, ["a"]))

    Batch(both).work()
    Batch(alone).work()

    assert ends(both) == [None, None]
    assert isinstance(alone[0].end, SoftTimeLimitExceeded)


def test_a_worker_that_ends_keeps_what_is_done_and_closes_the_rest() -> None:
    closed: list[str] = []

    def waiting(model: Model) -> Steps:
        try:
            yield Shared(model.lengths, ["a"])
        finally:
            closed.append("closed")
        return Next(Stage.INDEX)

    def quick() -> Steps:
        return Next(Stage.EMBED)
        yield

    model = Model(refusing("a", Drained()))
    members = together(quick(), waiting(model), waiting(model))

    with pytest.raises(Drained):
        Batch(members).work()

    assert ends(members) == [Next(Stage.EMBED), None, None]
    assert closed == ["closed", "closed"]


def test_each_job_has_a_context_of_its_own() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    seen: list[str] = []

    def work(name: str, model: Model) -> Steps:
        token = whose.set(name)
        yield Shared(model.lengths, [name])
        seen.append(whose.get())
        whose.reset(token)
        return Next(Stage.INDEX)

    model = Model()

    Batch(together(work("a", model), work("b", model))).work()

    assert seen == ["a", "b"]
    assert whose.get() == "nobody's"


def test_the_time_of_a_shared_call_is_shared_by_items(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(batch, "perf_counter", lambda: float(next(ticks)))
    model = Model()
    members = together(asking(model, ["a", "b", "c"]), asking(model, ["d"]))

    Batch(members).work()

    steps = 2.0  # of a tick each, before and after the call of one tick
    assert [member.seconds for member in members] == [steps + 0.75, steps + 0.25]
