"""What was accepted after a backup comes to the end that it had, whatever happens to it in the replay."""

from collections.abc import Callable
from time import time

import pytest

from rag.errors import Unavailable
from rag.fetching import Fetched
from rag.model import Job, JobState, Lease, Stage
from tasks.app import app
from tasks.ingest import sources
from tasks.submit.submissions import Ingestion, Link, Submissions
from tests.deliveries import finished, job_of, step
from tests.integration.inprocess import InProcess
from tests.integration.installations import (
    COLLECTION,
    backed_up,
    brought,
    ingested,
    names,
    restoring,
    seen,
    succeeded,
)
from tests.integration.restores.steps import settled, until

RED, STRIPED = "The buoy is red.", "The buoy is striped."


def before_first(real: Callable[..., object], do: Callable[[], object]) -> Callable[..., object]:
    """``real``, before whose first call something happens."""
    waiting = [do]

    def call(*args: object, **named: object) -> object:
        while waiting:
            waiting.pop()()
        return real(*args, **named)

    return call


def failing_in_its_former_collection(tools: InProcess, job_id: str) -> None:
    while not (job := step(tools, job_id)).state.final:
        pass
    assert job.state is JobState.FAILED


class TestOnTheirWay:
    """Documents that are ingested while their collection is replaced."""

    @pytest.fixture(autouse=True)
    def saved(self, tools: InProcess, desk: Submissions) -> None:
        ingested(tools, desk, "buoy", "other")
        backed_up(tools, desk)

    def come(self, tools: InProcess, job_id: str) -> Job:
        """Everything goes on to its end, at which the document is the red one."""
        settled(tools)
        job = job_of(tools, job_id)
        assert job.state is JobState.SUCCEEDED, job.error
        assert seen(tools)["buoy"] == f"{RED}\n"
        return job

    def test_one_that_fails_while_it_is_moved_is_retried(
        self, tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = brought(desk, "buoy", RED)
        restore = restoring(desk)
        until(tools, restore, Stage.REPLAY)
        moving = before_first(
            tools.restoration.jobs.move, lambda: failing_in_its_former_collection(tools, job_id)
        )
        monkeypatch.setattr(tools.restoration.jobs, "move", moving)

        job = succeeded(tools, restore)

        assert job.result is not None
        assert (job.result["replayed"], job.result["not_replayed"]) == (1, [])
        self.come(tools, job_id)

    def test_one_that_was_moved_and_not_retried_is_so_later(
        self, tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = brought(desk, "buoy", RED)
        restore = restoring(desk)
        until(tools, restore, Stage.REPLAY)
        failing_in_its_former_collection(tools, job_id)
        with monkeypatch.context() as patch:
            patch.setattr(tools.jobs, "retry", away)
            assert step(tools, restore).stage is Stage.REPLAY

        assert succeeded(tools, restore)

        self.come(tools, job_id)

    def test_one_that_is_being_tidied_is_waited_for(self, tools: InProcess, desk: Submissions) -> None:
        job_id = brought(desk, "buoy", RED)
        restore = restoring(desk)
        until(tools, restore, Stage.REPLAY)
        failing_in_its_former_collection(tools, job_id)
        assert tools.jobs.tidy(job_id, seconds=60)
        assert step(tools, restore).stage is Stage.REPLAY

        tools.jobs.confirm_tidy(job_id)
        job = succeeded(tools, restore)

        assert job.result is not None
        assert job.result["replayed"] == 1
        self.come(tools, job_id)

    def test_one_that_succeeds_while_it_is_moved_is_looked_at_again(
        self, tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was published in its former collection, and the record says so a moment later."""
        job_id = brought(desk, "buoy", RED)
        until(tools, job_id, Stage.INDEX)
        with monkeypatch.context() as patch:
            leases = killed_behind(patch, tools.documents.publish)
            with pytest.raises(Killed):
                step(tools, job_id)
        restore = restoring(desk)
        until(tools, restore, Stage.REPLAY)
        ending = before_first(
            tools.restoration.jobs.move, lambda: tools.jobs.finish(leases[0], JobState.SUCCEEDED, result={})
        )
        monkeypatch.setattr(tools.restoration.jobs, "move", ending)

        job = succeeded(tools, restore)

        assert job.result is not None
        assert job.result["replayed"] == 1
        self.come(tools, job_id)

    def test_one_whose_collection_is_replaced_before_it_is_published_is_not_taken_for_an_old_one(
        self, tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id, restore = brought(desk, "buoy", RED), restoring(desk)
        until(tools, job_id, Stage.INDEX)
        until(tools, restore, Stage.SWITCH)
        switched = before_first(tools.documents.publish, lambda: until(tools, restore, Stage.REPLAY))
        monkeypatch.setattr(tools.documents, "publish", switched)

        assert step(tools, job_id).state is JobState.FAILED

        assert succeeded(tools, restore)
        self.come(tools, job_id)

    def test_one_whose_collection_is_replaced_before_it_is_compared_is_not_taken_for_the_same(
        self, tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ingested(tools, desk, "buoy", text=RED)
        backed_up(tools, desk)
        ingested(tools, desk, "buoy", text=STRIPED)
        job_id, restore = brought(desk, "buoy", RED), restoring(desk)
        until(tools, restore, Stage.SWITCH)
        switched = before_first(tools.documents.get_both, lambda: until(tools, restore, Stage.REPLAY))
        monkeypatch.setattr(tools.documents, "get_both", switched)

        assert step(tools, job_id).state is JobState.FAILED

        assert succeeded(tools, restore)
        self.come(tools, job_id)


def test_what_the_same_content_has_outdated_does_not_come(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "buoy", text=RED)
    backed_up(tools, desk)
    between = brought(desk, "buoy", STRIPED)
    step(tools, between)
    ingested(tools, desk, "buoy", text=RED)

    assert succeeded(tools, restoring(desk))
    settled(tools)

    assert seen(tools)["buoy"] == f"{RED}\n"


def test_without_a_replay_a_time_brings_nothing_back(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(2))
    before = seen(tools)
    manifest = backed_up(tools, desk)
    ingested(tools, desk, "later")

    assert succeeded(tools, restoring(desk, backup=manifest.id, at=time(), replay=False))
    settled(tools)

    assert seen(tools) == before


def test_what_an_address_had_is_not_fetched_anew(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(2))
    backed_up(tools, desk)
    page = Fetched(RED.encode(), "buoy.txt", "text/plain", "https://isle.example/buoy.txt")
    monkeypatch.setattr(sources, "fetch", lambda *_, **__: page)
    job_id = desk.ingest(Ingestion(Link(page.url), COLLECTION, "buoy")).job.id
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    before = tools.documents.get(COLLECTION, "buoy")
    monkeypatch.setattr(sources, "fetch", away)

    assert succeeded(tools, restoring(desk))
    settled(tools)

    assert seen(tools)["buoy"] == f"{RED}\n"
    found = tools.documents.get(COLLECTION, "buoy")
    assert before is not None
    assert found is not None
    assert (found.title, found.media_type, found.version) == (before.title, before.media_type, before.version)


class Killed(BaseException):
    """The worker, in the middle of a stage."""


def killed_behind(patch: pytest.MonkeyPatch, publish: Callable[..., bool]) -> list[Lease]:
    """The worker dies as soon as a version is published; the leases under which that was done."""
    leases: list[Lease] = []

    def broken(*args: object, under: Lease) -> bool:
        assert publish(*args, under=under)
        leases.append(under)
        raise Killed

    patch.setattr(app.toolbox.documents, "publish", broken)
    return leases


def away(*_: object, **__: object) -> None:
    raise Unavailable("away")
