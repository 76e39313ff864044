"""A batch that was accepted is whole after Redis has lost its data, and is done once."""

from collections.abc import Callable

import pytest

from rag.errors import IdempotencyMismatch
from rag.jobs import DurableBatchStore
from rag.model import Batch, JobState, Stage
from rag.ports import BatchStore
from tasks.submit.batch_drafts import Part
from tasks.submit.batches import BatchRequest, BatchSubmissions
from tasks.submit.requests import Idempotency, Ingestion, Text
from tasks.upkeep.rebuild import rebuild_records
from tests.contract.jobs.jobrecords import pruned
from tests.integration.brokers import declare_intact
from tests.integration.restoration.promises import begun, listed, over, to_run
from workers.tools import Tools

KEY = Idempotency("k", "d")


@pytest.fixture
def batches(tools: Tools) -> BatchStore:
    return DurableBatchStore(tools._redis, tools.settings, tools.restoration.journal)


@pytest.fixture
def desk(tools: Tools, batches: BatchStore) -> BatchSubmissions:
    return BatchSubmissions(
        tools.settings, tools.jobs, batches, tools.documents, tools.blobs, publish=lambda _: None
    )


def submitted(desk: BatchSubmissions, count: int = 3) -> tuple[Batch, list[str]]:
    parts = [Part(n, Ingestion(Text(f"Text {n}"), "docs", f"d{n}"), f"digest {n}") for n in range(count)]
    batch = desk.submit(parts, BatchRequest(lambda each: {"position": each.position}, "me", KEY)).batch
    assert batch.answer is not None
    return batch, [job_id for job_id, _ in batch.answer["jobs"]]


def test_all_of_its_jobs_begin_again(
    tools: Tools, desk: BatchSubmissions, batches: BatchStore, lose: Callable[[], None]
) -> None:
    batch, job_ids = submitted(desk, 250)
    lease = begun(tools, tools.jobs.get(job_ids[0]), Stage.PARSE)  # type: ignore[arg-type]
    tools.jobs.advance(lease, Stage.EMBED, seconds=1)
    lose()

    rebuild_records(tools.restoration)

    standing = batches.standing(batch.id)
    assert standing.states == {JobState.QUEUED: 250}
    for job_id in job_ids:
        job = tools.jobs.get(job_id)
        assert job is not None
        assert (job.owner, job.batch, job.stage) == ("me", batch.id, Stage.PARSE)
        assert tools.blobs.exists(job.inputs["source_key"])


def test_what_has_ended_does_not_run_again(
    tools: Tools, desk: BatchSubmissions, batches: BatchStore, lose: Callable[[], None]
) -> None:
    batch, job_ids = submitted(desk)
    over(tools, tools.jobs.get(job_ids[0]))  # type: ignore[arg-type]
    over(tools, tools.jobs.get(job_ids[1]), JobState.FAILED)  # type: ignore[arg-type]
    lose()

    rebuild_records(tools.restoration)

    assert to_run(tools) == job_ids[2:]
    standing = batches.standing(batch.id)
    assert standing.states == {JobState.SUCCEEDED: 1, JobState.FAILED: 1, JobState.QUEUED: 1}
    assert batches.get(batch.id) == batch


def test_what_was_forgotten_does_not_come_back(
    tools: Tools, desk: BatchSubmissions, batches: BatchStore, lose: Callable[[], None]
) -> None:
    batch, job_ids = submitted(desk)
    over(tools, tools.jobs.get(job_ids[0]))  # type: ignore[arg-type]
    assert pruned(tools.jobs, finished=-60) == job_ids[:1]
    lose()

    rebuild_records(tools.restoration)

    assert sorted(listed(tools)) == sorted(job_ids[1:])
    assert batches.standing(batch.id).forgotten == 1


def test_a_repeated_submit_is_the_same_batch_after_a_loss(
    tools: Tools, desk: BatchSubmissions, batches: BatchStore, lose: Callable[[], None]
) -> None:
    batch, job_ids = submitted(desk)
    lose()
    rebuild_records(tools.restoration)

    again, same_ids = submitted(desk)

    assert (again, same_ids) == (batch, job_ids)
    with pytest.raises(IdempotencyMismatch):
        batches.begin(idempotency_key="k", body_digest="other")


def test_a_job_that_was_cancelled_with_its_batch_stays_so(
    tools: Tools, desk: BatchSubmissions, batches: BatchStore, lose: Callable[[], None]
) -> None:
    batch, _ = submitted(desk)
    assert desk.cancel(batch.id) == 3
    lose()

    rebuild_records(tools.restoration)

    assert to_run(tools) == []
    assert batches.standing(batch.id).states == {JobState.CANCELLED: 3}


def test_a_loss_before_the_answer_leaves_all_or_nothing(
    tools: Tools, desk: BatchSubmissions, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = DurableBatchStore._close

    def close_and_lose(*args: object) -> bool:
        done = kept(*args)  # type: ignore[arg-type]
        lose()
        return done

    monkeypatch.setattr(DurableBatchStore, "_close", close_and_lose)
    with pytest.raises(Exception, match="lost"):
        submitted(desk)
    monkeypatch.undo()

    rebuild_records(tools.restoration)

    assert listed(tools) == []


def test_records_of_its_jobs_alone_make_a_batch(
    tools: Tools, desk: BatchSubmissions, batches: BatchStore, lose: Callable[[], None]
) -> None:
    """As a restore out of a backup brings them."""
    batch, job_ids = submitted(desk)
    fields = [tools.restoration.jobs.record(job_id) for job_id in job_ids]
    lose()
    tools.restoration.jobs.restore([{**each, "state": "cancelled", "finished_at": "1"} for each in fields])
    declare_intact(tools._redis)

    found = batches.get(batch.id)

    assert found is not None
    assert (found.owner, found.collections, found.accepted) == ("me", ("docs",), 3)
    assert batches.standing(batch.id).states == {JobState.CANCELLED: 3}
