"""What is done in slices is done to its end, whatever happens between two of them."""

import json
from pathlib import Path

import pytest
import redis

from rag.errors import Unavailable
from rag.model import JobKind, NewJob, Stage
from tasks.backups import load, plan, verify
from tasks.backups.plan import Slice
from tasks.stages.run import StageRun
from tasks.submit.submissions import Submissions
from tests.deliveries import begin, finished, step
from tests.integration.brokers import declare_intact
from tests.integration.inprocess import InProcess
from tests.integration.installations import (
    COLLECTION,
    Install,
    backed_up,
    brought,
    desk_of,
    ingested,
    names,
    restoring,
    succeeded,
)
from tests.integration.restores.steps import killed, settled, until


@pytest.fixture
def anew(tools: InProcess, desk: Submissions, installed: Install, redis_client: redis.Redis) -> InProcess:
    """An installation that has nothing; in the backup are three documents, an open job and a dead letter."""
    brought(desk, "open")
    killed(tools, brought(desk, "dead"))
    ingested(tools, desk, *names(3))
    backed_up(tools, desk)
    redis_client.flushall()
    declare_intact(redis_client)
    return installed("second")


def test_a_turn_begins_with_its_first_step(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(plan, "monotonic", lambda: now[0])
    job = tools.jobs.accept(NewJob("0-a", JobKind.VERIFY, Stage.VERIFY, "", {})).job
    lease = begin(tools.jobs, job.id, Stage.VERIFY, lease_seconds=30)
    assert lease is not None
    run, turn = StageRun(lease, tools), Slice(10.0)

    now[0] += 99.0  # of preparation
    early = [turn.over(run), turn.over(run)]
    now[0] += 11.0

    assert (early, turn.over(run)) == ([False, False], True)


def test_no_blob_is_passed_over_when_fewer_are_needed_than_before(
    anew: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job has a record by then, or would be forgotten."""
    job_id = restoring(desk_of(anew))
    until(anew, job_id, Stage.LOAD)
    while not list(anew.blobs.keys("sources")):
        step(anew, job_id)
    monkeypatch.setattr(load, "sources_of", lambda *_: {})

    assert succeeded(anew, job_id)

    for document in anew.documents.page(COLLECTION, cursor=None, limit=99).items:
        assert anew.blobs.exists(document.source_key)
        assert anew.blobs.exists(document.text_key)


@pytest.mark.parametrize("call", ["open", "end"])
def test_a_job_that_comes_back_has_its_entry_whatever_breaks_off(
    anew: InProcess, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    job_id = restoring(desk_of(anew))
    until(anew, job_id, Stage.SWITCH)
    with monkeypatch.context() as patch:
        patch.setattr(anew.restoration.journal, call, away)
        until_nothing_goes_on(anew, job_id)

    assert succeeded(anew, job_id)
    settled(anew)

    journal = anew.restoration.journal
    entries = {each for ids in (*journal.open_jobs(), *journal.ended_jobs()) for each in ids}
    jobs = anew.jobs.page(kinds=[JobKind.INGEST], collections=None, cursor=None, limit=99).items
    assert len(jobs) == 5
    assert {job.id for job in jobs} <= entries


def until_nothing_goes_on(tools: InProcess, job_id: str) -> None:
    """As many slices as a switch has at most here."""
    for _ in range(9):
        assert step(tools, job_id).stage is Stage.SWITCH


def away(*_: object) -> None:
    raise Unavailable("away")


def test_of_many_damaged_objects_the_first_are_kept(
    tools: InProcess, desk: Submissions, tmp_path: Path
) -> None:
    ingested(tools, desk, *names(2))
    manifest = backed_up(tools, desk)
    for key in manifest.parts:
        path = tmp_path / "bucket" / key
        path.write_bytes(path.read_bytes()[::-1])

    job = finished(tools, desk.backups.verify(manifest.id).job.id)

    first, more = verify.NAMED, len(manifest.parts) - verify.NAMED
    assert more > 0
    assert job.error is not None
    assert f"{len(manifest.parts)} are damaged" in job.error["detail"]
    assert job.error["detail"].endswith(f"; and {more} more")
    kept = json.loads(tools.jobs.artefact(job.id, "verified"))
    assert (len(kept["damaged"]), kept["more"]) == (first, more)
