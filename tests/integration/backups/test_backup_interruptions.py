"""Backups are made while documents come and go, and whatever is killed or away meanwhile."""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import redis

from rag.errors import Unavailable
from rag.model import (
    Engine,
    JobState,
    Manifest,
    Stage,
)
from tasks.backups import backup, progress
from tasks.stages import retry_while_away
from tasks.submit.submissions import Submissions
from tasks.upkeep.rebuild import rebuild_records
from tests.deliveries import finished, job_of, step
from tests.integration.backups.making import (
    COLLECTION,
    EMPTY,
    OTHER,
    Copies,
    Store,
    asked,
    blobs_of,
    brought,
    documents_of,
    ingested,
    names,
    parts_in,
    saved,
)
from tests.integration.inprocess import InProcess


def test_an_engine_that_went_away_at_the_end_takes_no_backup_along(
    tools: InProcess, desk: Submissions
) -> None:
    ingested(tools, desk, "isle00")
    job_id, complete = asked(desk, "full"), backup.manifest_of

    def gone(_: object) -> None:
        raise Unavailable("connection refused")

    with pytest.MonkeyPatch.context() as patch:

        def going(*made: Any) -> Manifest:
            patch.setattr(tools.snapshots, "release", gone)
            patch.setattr(Copies, "engine", property(gone))
            return complete(*made)

        patch.setattr(backup, "manifest_of", going)
        job = finished(tools, job_id)

    assert job.state is JobState.SUCCEEDED, job.error
    assert tools.vault.manifest(job_id).engine == Engine("edge", "0")
    assert tools.snapshots.taken() == (job_id,)
    finished(tools, desk.backups.prune().job.id)
    assert tools.snapshots.taken() == ()


@pytest.mark.usefixtures("sliced")
def test_one_that_is_begun_again_looks_at_all_points_again(
    tools: InProcess, desk: Submissions, past: None
) -> None:
    ingested(tools, desk, "isle00")
    job_id = asked(desk)
    step(tools, job_id)
    while progress.load_checkpoint(tools.jobs, job_id).portions < 4:
        step(tools, job_id)
    ingested(tools, desk, "isle01")
    (tools.settings.home / "backups" / min(parts_in(tools))).unlink()

    assert finished(tools, job_id).state is JobState.SUCCEEDED

    book = saved(tools.vault.manifest(job_id))
    assert (book.documents, book.late) == (2, 0)


@pytest.mark.usefixtures("sliced")
def test_documents_come_and_go_meanwhile(tools: InProcess, desk: Submissions, past: None) -> None:
    ingested(tools, desk, *names(12))
    job_id, round_ = asked(desk), 0

    while not (job := step(tools, job_id)).state.final:
        if round_ < 5 and job.stage is Stage.UPLOAD and progress.load_checkpoint(tools.jobs, job_id).portions:
            ingested(tools, desk, f"early{round_}")
            finished(tools, brought(desk, f"isle{2 * round_:02}", f"The buoy of {round_} is striped."))
            finished(tools, desk.delete_document(COLLECTION, f"isle{2 * round_ + 1:02}").id)
            round_ += 1

    assert job.state is JobState.SUCCEEDED, job.error
    manifest = tools.vault.manifest(job_id)
    book, documents = saved(manifest), documents_of(tools, manifest)
    certain = [each for each in documents if not each.late]
    ids = {each.document.document_id for each in certain}
    assert {"isle10", "isle11"} <= ids
    assert not ids & {"isle01", "early4"}
    assert any(each.late for each in documents)
    assert all(each.points and each.points.points == each.document.chunks for each in certain)
    assert (book.documents, book.late) == (len(certain), len(documents) - len(certain))
    assert book.points == sum(each.document.chunks for each in certain)
    sources = {each.document.source_key for each in documents if tools.blobs.exists(each.document.source_key)}
    assert sources <= {blob.key for blob in blobs_of(tools, manifest)}


class Killed(BaseException):
    """As sudden as a signal."""


@pytest.mark.usefixtures("sliced")
def test_it_goes_on_where_it_was_killed(
    tools: InProcess, desk: Submissions, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after every single checkpoint; of what was stored nothing is sent again."""
    ingested(tools, desk, *names(12))
    tries = {"max_attempts": 1000, "max_retries_per_job": 1000}
    monkeypatch.setattr(tools, "_settings", tools.settings.model_copy(update=tries))
    job_id, keep, kills = asked(desk), progress.save_checkpoint, Counter[str]()

    def dying(run: object, reached: progress.Checkpoint) -> None:
        place = f"{reached.portions} {reached.mark}"
        kills[place] += 1
        if kills[place] == 1:
            raise Killed
        keep(run, reached)
        if kills[place] == 2:
            raise Killed

    monkeypatch.setattr(progress, "save_checkpoint", dying)
    while not job_of(tools, job_id).state.final:
        with suppress(Killed):
            step(tools, job_id)

    job = job_of(tools, job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert len(kills) > 20
    assert set(store.parts.values()) == {1}
    assert set(store.parts) == set(tools.vault.manifest(job_id).parts)


@pytest.mark.usefixtures("sliced")
def test_it_is_begun_anew_when_the_engine_lost_its_snapshot(
    tools: InProcess, desk: Submissions, store: Store
) -> None:
    ingested(tools, desk, *names(3))
    job_id = asked(desk, "full")
    while step(tools, job_id).progress.done == 0:
        continue
    sent = store.parts
    tools.snapshots.release(job_id)

    job = finished(tools, job_id)

    assert job.state is JobState.SUCCEEDED, job.error
    assert set(store.parts.values()) == {1}
    assert sent


@pytest.mark.usefixtures("sliced")
def test_it_outlives_the_brokers_data(
    tools: InProcess, desk: Submissions, store: Store, redis_client: redis.Redis
) -> None:
    ingested(tools, desk, *names(3))
    job_id = asked(desk)
    while not store.parts:
        step(tools, job_id)
    redis_client.flushall()
    rebuild_records(tools.restoration)

    assert job_of(tools, job_id).stage is Stage.SNAPSHOT
    assert finished(tools, job_id).state is JobState.SUCCEEDED

    assert tools.vault.backups() == [job_id]
    assert tools.snapshots.taken() == ()


def test_done_once_more_it_is_the_same_backup(
    tools: InProcess, desk: Submissions, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault has it, the record does not: its worker died in between, and the broker lost everything."""
    ingested(tools, desk, "isle00")
    job_id = asked(desk)
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(tools.jobs, "finish", _dying)
        while True:
            step(tools, job_id)
    before = tools.vault.manifest(job_id)
    redis_client.flushall()
    rebuild_records(tools.restoration)

    job = finished(tools, job_id)

    assert job.result is not None
    assert job.result["backup"] == job_id
    assert tools.vault.manifest(job_id) == before


def _dying(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.usefixtures("sliced")
def test_a_collection_may_go_meanwhile(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(3))
    ingested(tools, desk, "soup", into=OTHER)
    job_id = asked(desk)
    step(tools, job_id)
    finished(tools, desk.drop_collection(COLLECTION).id)

    job = finished(tools, job_id)

    assert job.state is JobState.SUCCEEDED, job.error
    manifest = tools.vault.manifest(job_id)
    assert [each.name for each in manifest.collections] == [EMPTY, OTHER]
    assert manifest.missing == ("collection handbook: it was dropped while the backup was made",)
    assert not any("handbook-1" in stream.name for stream in manifest.streams)


@pytest.mark.usefixtures("sliced")
def test_it_waits_for_a_store_that_is_away(
    tools: InProcess, desk: Submissions, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(3))
    job_id = asked(desk)
    store.away = True
    for _ in range(10):
        job = step(tools, job_id)
    assert (job.state, job.retries) == (JobState.QUEUED, 0)
    store.away = False

    assert finished(tools, job_id).state is JobState.SUCCEEDED

    store.away = True
    monkeypatch.setattr(retry_while_away, "SECONDS", -1.0)
    ingested(tools, desk, "since")
    job = finished(tools, asked(desk))
    assert job.state is JobState.DEAD
    words = tools.backup_status.results()
    assert (words["backup"]["ok"], words["backup"]["reason"]) == (False, "unavailable")
    assert "connection refused" in words["backup"]["error"]
    assert words["backup:good"]["backup"] == job_id


@pytest.mark.usefixtures("sliced")
def test_one_at_a_time(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first, second = asked(desk), asked(desk)
    step(tools, first)

    assert step(tools, second).stage is Stage.SNAPSHOT
    assert finished(tools, first).state is JobState.SUCCEEDED
    assert finished(tools, second).state is JobState.SUCCEEDED

    assert tools.vault.backups() == [second, first]


@pytest.mark.usefixtures("sliced")
def test_a_cancelled_one_is_none(tools: InProcess, desk: Submissions) -> None:
    """What it left goes; begun again after that, it does not take it for being there."""
    ingested(tools, desk, *names(3))
    job_id = asked(desk, "full")
    step(tools, job_id)
    while progress.load_checkpoint(tools.jobs, job_id).portions < 3:
        step(tools, job_id)
    tools.jobs.cancel(job_id)

    pruned = finished(tools, desk.backups.prune().job.id)

    assert tools.vault.backups() == []
    assert parts_in(tools) == set()
    assert pruned.result is not None
    assert pruned.result["released"] == 1
    assert pruned.result["objects"] > 0
    tools.jobs.retry(job_id)
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert parts_in(tools) == set(tools.vault.manifest(job_id).parts)
