"""Redis loses its data: nothing is answered wrongly, and what was promised comes back."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

import pytest
import redis
from uuid_utils.compat import uuid7

from rag.errors import IdempotencyMismatch, Unavailable
from rag.model import (
    Collection,
    Document,
    DocumentVersion,
    Job,
    JobKind,
    JobState,
    Lease,
    NewJob,
    Progress,
    Removal,
    Stage,
)
from rag.ports import Window
from rag.settings import Settings
from rag.stores import restoration
from rag.stores.documents import RedisDocumentRegistry
from rag.stores.jobs import RedisJobStore
from tasks import records
from tasks.purging import entrusted
from tasks.records import Overseer, restored
from workers.tools import Tools

MODEL = "all-MiniLM-L6-v2"
PROBLEM = {"type": "urn:aegis:problem:unavailable", "title": "away", "detail": "gone – weg"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the jobs that a restoration published."""
    ids: list[str] = []
    monkeypatch.setattr(records, "publish", lambda job: ids.append(job.id))
    return ids


@pytest.fixture(params=["folder", "memory"])
def tools(request: pytest.FixtureRequest, valkey: str, tmp_path: Path, sent: list[str]) -> Tools:
    address = (tmp_path / "blobs").as_uri() if request.param == "folder" else "memory:///"
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path, blob_url=address, journal="all"))


@pytest.fixture
def lose(redis_client: redis.Redis) -> Callable[[], None]:
    return lambda: redis_client.flushall() and None


def submitted(tools: Tools, document_id: str = "a", key: str | None = None) -> Job:
    tools.documents.put_collection("docs", MODEL, 384)
    version = tools.documents.next_version("docs", document_id)
    inputs = {"document_id": document_id, "version": version, "generation": 1}
    job = NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", inputs)
    return tools.jobs.accept(job, idempotency_key=key, body_digest="d").job


def asked(tools: Tools, deadline: float | None = 4_000_000_000.5) -> Job:
    job = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "docs", {"question": "Ü?"}, deadline)
    return tools.jobs.accept(job).job


def begun(tools: Tools, job: Job, stage: Stage) -> Lease:
    lease = tools.jobs.begin(job.id, stage, lease_seconds=30)
    assert lease is not None
    return lease


def over(tools: Tools, job: Job, state: JobState = JobState.SUCCEEDED) -> Job:
    lease = begun(tools, job, job.stage)
    well = state is JobState.SUCCEEDED
    result, error = ({"x": "ü"}, None) if well else (None, PROBLEM)
    assert tools.jobs.finish(lease, state, seconds=0.5, result=result, error=error)
    return found(tools, job)


def found(tools: Tools, job: Job) -> Job:
    record = tools.jobs.get(job.id)
    assert record is not None
    return record


def document(version: int, document_id: str = "a", **changes: Any) -> Document:
    plain = Document(
        document_id=document_id,
        collection="docs",
        generation=1,
        version=version,
        fingerprint="f",
        title="t",
        media_type="text/plain",
        source_key="s",
        text_key="t",
        chunks=2,
        tokens=9,
        created_at=1.5,
        updated_at=2.5,
        metadata={"ü": [1, None]},
    )
    return replace(plain, **changes)


def published(tools: Tools, document_id: str = "a") -> Document:
    tools.documents.put_collection("docs", MODEL, 384)
    made = document(tools.documents.next_version("docs", document_id), document_id)
    assert tools.documents.publish(made)
    return made


def removed(tools: Tools, what: str) -> Removal:
    documents = tools.documents
    removal = documents.delete("docs", "a") if what == "a document" else documents.drop_collection("docs")
    assert removal is not None
    return removal


def all_documents(tools: Tools) -> Window[Document]:
    return tools.documents.page("docs", cursor=None, limit=100)


def collections(tools: Tools) -> list[Collection]:
    """But for their revisions, which only ever grow."""
    return [replace(collection, revision=0) for collection in tools.documents.collections()]


def listed(tools: Tools) -> list[str]:
    return [
        job.id
        for job in tools.jobs.page(state=None, kind=None, collections=None, cursor=None, limit=99).items
    ]


class TestFence:
    def test_nothing_is_answered_from_nothing(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = submitted(tools)
        lease = begun(tools, job, Stage.PARSE)
        live = published(tools, "b")
        jobs, documents = tools.jobs, tools.documents
        calls: list[Callable[[], object]] = [
            jobs.ping,
            lambda: jobs.get(job.id),
            lambda: jobs.begin(job.id, Stage.PARSE, lease_seconds=30),
            lambda: jobs.extend(lease, lease_seconds=30),
            lambda: jobs.progress(lease, Progress(1, 2)),
            lambda: jobs.advance(lease, Stage.EMBED, seconds=1),
            lambda: jobs.requeue(lease, error={}),
            lambda: jobs.put_artefact(lease, "a", b"1"),
            lambda: jobs.cancel(job.id),
            lambda: jobs.retry(job.id),
            lambda: jobs.touch(job.id),
            lambda: jobs.events(job.id),
            lambda: asked(tools),
            lambda: listed(tools),
            lambda: documents.put_collection("docs", MODEL, 384),
            lambda: documents.collection("docs"),
            documents.collections,
            lambda: documents.drop_collection("docs"),
            lambda: documents.next_version("docs", "b"),
            lambda: documents.publish(live),
            lambda: documents.get("docs", "b"),
            lambda: all_documents(tools),
            lambda: documents.delete("docs", "b"),
            lambda: documents.outdated("docs", 1, DocumentVersion("b", 1)),
        ]
        lose()

        for call in calls:
            with pytest.raises(Unavailable, match="lost its records") as refusal:
                call()
            assert refusal.value.retry_after == 2

    def test_an_end_that_was_lost_is_not_claimed(self, tools: Tools, lose: Callable[[], None]) -> None:
        lease = begun(tools, submitted(tools), Stage.PARSE)
        lose()
        with pytest.raises(Unavailable):
            tools.jobs.finish(lease, JobState.SUCCEEDED, result={})

    def test_a_first_start_has_nothing_to_restore(
        self, tools: Tools, lose: Callable[[], None], sent: list[str]
    ) -> None:
        lose()

        restored(tools.restoration)

        tools.jobs.ping()
        assert tools.restoration.recovery.intact()
        assert (listed(tools), sent) == ([], [])
        assert restored(tools.restoration) == "nothing to do"


class TestJobs:
    def test_open_ones_begin_again_in_their_order(
        self, tools: Tools, lose: Callable[[], None], sent: list[str]
    ) -> None:
        jobs = [submitted(tools), asked(tools), submitted(tools), asked(tools, None)]
        lease = begun(tools, jobs[0], Stage.PARSE)
        tools.jobs.advance(lease, Stage.EMBED, seconds=1)
        lose()

        restored(tools.restoration)

        back = [found(tools, job) for job in jobs]
        assert [job.state for job in back] == [JobState.QUEUED] * 4
        assert [(job.stage, job.queue_position) for job in back] == [
            (Stage.PARSE, 1),
            (Stage.EMBED_QUERY, 1),
            (Stage.PARSE, 2),
            (Stage.EMBED_QUERY, 2),
        ]
        for job, before in zip(back, jobs, strict=True):
            assert (job.id, job.kind, job.collection, job.inputs, job.deadline, job.attempts) == (
                before.id,
                before.kind,
                before.collection,
                before.inputs,
                before.deadline,
                0,
            )
            assert job.created_at == before.created_at
        assert sorted(sent) == sorted(job.id for job in jobs) == sorted(listed(tools))

    def test_an_attempt_from_before_writes_nothing(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = submitted(tools)
        late = begun(tools, job, Stage.PARSE)
        lose()
        restored(tools.restoration)

        assert not tools.jobs.finish(late, JobState.SUCCEEDED, result={})
        successor = begun(tools, job, Stage.PARSE)
        assert not tools.jobs.extend(late, lease_seconds=30)
        lose()
        restored(tools.restoration)

        assert begun(tools, job, Stage.PARSE).token > successor.token > late.token
        assert not tools.jobs.advance(successor, Stage.EMBED, seconds=1)

    @pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD])
    def test_ended_ones_are_as_they_were(
        self, tools: Tools, lose: Callable[[], None], sent: list[str], state: JobState
    ) -> None:
        before = over(tools, submitted(tools), state)
        lose()

        restored(tools.restoration)

        assert found(tools, before) == before
        assert tools.jobs.events(before.id)[0].data["state"] == state
        assert tools.jobs.counts()[state] == 1
        assert sent == []
        dead = tools.jobs.dead(reason="unavailable", collections=None, cursor=None, limit=9).items
        assert dead == ((before,) if state is JobState.DEAD else ())

    def test_cancelled_and_expired_ones_stay_so(self, tools: Tools, lose: Callable[[], None]) -> None:
        cancelled, expired = submitted(tools), asked(tools, deadline=1.0)
        tools.jobs.cancel(cancelled.id)
        assert tools.jobs.expire(expired.id, error={"detail": "late"})
        before = [found(tools, job) for job in (cancelled, expired)]
        lose()

        restored(tools.restoration)

        assert [found(tools, job) for job in before] == before

    def test_a_dropped_dead_letter_stays_dropped(self, tools: Tools, lose: Callable[[], None]) -> None:
        dead = over(tools, submitted(tools), JobState.DEAD)
        tools.jobs.drop(dead.id)
        lose()

        restored(tools.restoration)

        assert found(tools, dead).state is JobState.FAILED

    def test_a_retried_one_is_run_again(
        self, tools: Tools, lose: Callable[[], None], sent: list[str]
    ) -> None:
        job = over(tools, submitted(tools), JobState.FAILED)
        tools.jobs.retry(job.id)
        lose()

        restored(tools.restoration)

        assert found(tools, job).state is JobState.QUEUED
        assert sent == [job.id]

    def test_one_that_ended_badly_is_retried_from_its_first_stage(
        self, tools: Tools, lose: Callable[[], None]
    ) -> None:
        job = asked(tools)
        tools.jobs.advance(begun(tools, job, Stage.EMBED_QUERY), Stage.SEARCH, seconds=1)
        tools.jobs.finish(begun(tools, job, Stage.SEARCH), JobState.DEAD, error=PROBLEM)
        lose()
        restored(tools.restoration)
        assert found(tools, job).stage is Stage.SEARCH

        assert tools.jobs.retry(job.id).stage is Stage.EMBED_QUERY

    def test_a_pruned_one_does_not_come_back(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = over(tools, submitted(tools))
        later = job.created_at + 60
        assert tools.jobs.prune(finished_before=later, dead_before=later, most=99, limit=9)
        lose()

        restored(tools.restoration)

        assert listed(tools) == []

    def test_one_that_ended_long_ago_is_forgotten(self, tools: Tools, lose: Callable[[], None]) -> None:
        job = submitted(tools)
        record = dict(tools.restoration.jobs.record(job.id))
        tools.restoration.journal.end(lambda: {**record, "state": "succeeded", "finished_at": "1.5"})
        lose()

        restored(tools.restoration)

        assert listed(tools) == []
        assert list(tools.blobs.keys("journal/ended")) == []

    def test_an_idempotency_key_is_remembered(self, tools: Tools, lose: Callable[[], None]) -> None:
        still_open, ended = submitted(tools, key="open"), over(tools, submitted(tools, key="ended"))
        lose()
        restored(tools.restoration)

        assert submitted(tools, key="open").id == still_open.id
        assert submitted(tools, key="ended").id == ended.id
        other = NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", {})
        with pytest.raises(IdempotencyMismatch):
            tools.jobs.accept(other, idempotency_key="open", body_digest="another body")


class TestDocuments:
    def test_they_are_as_they_were(self, tools: Tools, lose: Callable[[], None]) -> None:
        for document_id in ("a", "ü –", "x/../y"):
            published(tools, document_id)
        published(tools, "a")
        tools.documents.put_collection("empty", MODEL, 8)
        before = all_documents(tools), collections(tools)
        revisions = {collection.name: collection.revision for collection in tools.documents.collections()}
        lose()

        restored(tools.restoration)

        assert (all_documents(tools), collections(tools)) == before
        for collection in tools.documents.collections():
            assert collection.revision > revisions[collection.name], "what was cached would count again"
        assert tools.documents.stale("docs", [DocumentVersion("a", 1), DocumentVersion("a", 2)]) == (
            DocumentVersion("a", 1),
        )

    def test_versions_are_above_all_that_were_given_out(self, tools: Tools, lose: Callable[[], None]) -> None:
        published(tools)
        submitted(tools)
        over(tools, submitted(tools), JobState.FAILED)
        lose()

        restored(tools.restoration)

        assert tools.documents.next_version("docs", "a") == 4

    def test_a_deleted_one_stays_deleted_and_so_does_what_was_on_its_way(
        self, tools: Tools, lose: Callable[[], None]
    ) -> None:
        published(tools)
        late = submitted(tools)
        tools.documents.delete("docs", "a")
        lose()

        restored(tools.restoration)

        assert all_documents(tools).items == ()
        assert not tools.documents.publish(document(late.inputs["version"]))
        assert tools.documents.publish(document(tools.documents.next_version("docs", "a")))

    @pytest.mark.parametrize("what", ["a document", "a collection"])
    def test_a_deletion_that_got_no_job_is_purged_all_the_same(
        self, tools: Tools, lose: Callable[[], None], what: str
    ) -> None:
        published(tools)
        removal = removed(tools, what)
        lose()

        restored(tools.restoration)

        assert tools.documents.unpurged(silent_for=0, limit=9) == [removal]

    @pytest.mark.parametrize("what", ["a document", "a collection"])
    def test_the_job_that_purges_a_deletion_comes_back_as_it_was(
        self, tools: Tools, lose: Callable[[], None], what: str
    ) -> None:
        published(tools)
        job = entrusted(tools.jobs, tools.documents, removed(tools, what)).job
        lose()

        restored(tools.restoration)

        (again,) = tools.documents.unpurged(silent_for=0, limit=9)
        assert entrusted(tools.jobs, tools.documents, again).job.id == job.id
        assert listed(tools) == [job.id]
        assert found(tools, job).inputs == job.inputs
        assert tools.documents.unpurged(silent_for=0, limit=9) == []

    def test_a_server_that_was_started_again_brings_no_purge_back(
        self, tools: Tools, redis_client: redis.Redis
    ) -> None:
        published(tools)
        entrusted(tools.jobs, tools.documents, removed(tools, "a document"))
        redis_client.set("{aegis}:intact", "another run")

        restored(tools.restoration)

        assert tools.documents.unpurged(silent_for=0, limit=9) == []

    def test_a_deletion_of_long_ago_is_not_purged_again(
        self, tools: Tools, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published(tools)
        removed(tools, "a document")
        lose()
        later = time() + tools.settings.job_retention_hours * 3600
        monkeypatch.setattr(restoration, "time", lambda: later + 60)

        restored(tools.restoration)

        assert tools.documents.unpurged(silent_for=0, limit=9) == []

    def test_a_dropped_collection_stays_dropped(self, tools: Tools, lose: Callable[[], None]) -> None:
        live = published(tools)
        tools.documents.drop_collection("docs")
        lose()

        restored(tools.restoration)

        assert tools.documents.collections() == ()
        collection, _ = tools.documents.put_collection("docs", MODEL, 384)
        assert collection.generation == 2
        assert not tools.documents.publish(live)
        assert tools.documents.next_version("docs", "a") > live.version


class TestCrashes:
    """Between any two steps: what was not promised may go, what was promised may not."""

    def test_before_the_entry_the_job_was_not_promised(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        unpromised = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "docs", {})
        RedisJobStore(redis_client, tools.settings).accept(unpromised, idempotency_key="k", body_digest="d")
        lose()
        restored(tools.restoration)
        assert listed(tools) == []

    def test_who_repeats_such_a_submit_gets_the_promise(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        tools.documents.put_collection("docs", MODEL, 384)
        inputs = {"document_id": "a", "version": 1, "generation": 1}
        job = NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", inputs)
        RedisJobStore(redis_client, tools.settings).accept(job, idempotency_key="k", body_digest="d")

        assert submitted(tools, key="k").id == job.id
        lose()
        restored(tools.restoration)

        assert listed(tools) == [job.id]

    def test_without_its_entry_nothing_is_left_of_a_submit(
        self, tools: Tools, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = submitted(tools)
        with monkeypatch.context() as patch:
            patch.setattr(tools.journal, "open", failing)
            with pytest.raises(Unavailable, match="full"):
                submitted(tools, key="k")
        assert listed(tools) == [first.id]
        assert tools.jobs.depth(Stage.PARSE) == 1

        assert submitted(tools, key="k").id in listed(tools)

    def test_records_lost_before_the_entry_was_written_make_no_promise(
        self, tools: Tools, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tools.documents.put_collection("docs", MODEL, 384)
        written = tools.journal.open

        def rebuilt_meanwhile(job: Any) -> None:
            lose()
            restored(tools.restoration)
            written(job)

        monkeypatch.setattr(tools.journal, "open", rebuilt_meanwhile)
        with pytest.raises(Unavailable, match="try again"):
            asked(tools)

    def test_between_the_end_and_its_entry_the_job_is_done_once_more(
        self, tools: Tools, lose: Callable[[], None], sent: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(tools.journal, "end", failing)
            job = over(tools, submitted(tools))
        assert job.state is JobState.SUCCEEDED
        lose()

        restored(tools.restoration)

        assert sent == [job.id]

    def test_between_the_ends_entry_and_the_removal_of_the_other_the_job_is_over(
        self, tools: Tools, lose: Callable[[], None], sent: list[str]
    ) -> None:
        job = submitted(tools)
        entry = tools.restoration.jobs.record(job.id)
        over(tools, job)
        tools.journal.open(entry)
        lose()

        restored(tools.restoration)

        assert (found(tools, job).state, sent) == (JobState.SUCCEEDED, [])

    def test_between_publication_and_its_entry_the_older_version_is_seen_and_the_job_open(
        self, tools: Tools, lose: Callable[[], None], sent: list[str], redis_client: redis.Redis
    ) -> None:
        older = published(tools)
        job = submitted(tools)
        RedisDocumentRegistry(redis_client).publish(document(job.inputs["version"]))
        lose()

        restored(tools.restoration)

        assert all_documents(tools).items == (older,)
        assert sent == [job.id]

    def test_a_deletion_whose_entry_failed_is_kept_by_the_next_one(
        self, tools: Tools, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published(tools)
        with monkeypatch.context() as patch:
            patch.setattr(tools.journal, "put_document", failing)
            with pytest.raises(Unavailable):
                tools.documents.delete("docs", "a")

        assert tools.documents.delete("docs", "a") is not None
        lose()
        restored(tools.restoration)

        assert all_documents(tools).items == ()

    def test_a_collection_made_by_a_process_that_died_is_kept_by_the_next_one(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        RedisDocumentRegistry(redis_client).put_collection("docs", MODEL, 384)
        published(tools)
        lose()

        restored(tools.restoration)

        assert len(all_documents(tools).items) == 1


class TestRestoring:
    def test_twice_changes_nothing(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis, sent: list[str]
    ) -> None:
        job, ended, live = submitted(tools), over(tools, asked(tools)), published(tools)
        lose()
        restored(tools.restoration)
        first = found(tools, job), found(tools, ended), all_documents(tools)
        redis_client.delete("{aegis}:intact")

        restored(tools.restoration)

        assert (found(tools, job), found(tools, ended), all_documents(tools)) == first
        assert first[2].items == (live,)
        assert sent == [job.id]

    def test_by_many_at_once_happens_once(
        self, tools: Tools, lose: Callable[[], None], sent: list[str]
    ) -> None:
        jobs = [submitted(tools) for _ in range(20)]
        lose()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: restored(tools.restoration), range(8)))

        assert sorted(sent) == sorted(job.id for job in jobs)
        assert tools.restoration.recovery.intact()

    @pytest.mark.parametrize("broken", ["collection", "documents", "restore"])
    def test_when_interrupted_nothing_is_answered_and_the_next_one_completes_it(
        self,
        tools: Tools,
        lose: Callable[[], None],
        sent: list[str],
        monkeypatch: pytest.MonkeyPatch,
        broken: str,
    ) -> None:
        jobs = [submitted(tools) for _ in range(3)]
        documents = [published(tools, f"d{n}") for n in range(3)]
        tools.documents.put_collection("another", MODEL, 8)
        lose()
        part = tools.restoration.jobs if broken == "restore" else tools.restoration.documents
        with monkeypatch.context() as patch:
            patch.setattr("rag.stores.journal._BATCH", 1)
            patch.setattr(type(part), broken, after(1, getattr(type(part), broken)))
            with pytest.raises(Unavailable, match="full"):
                restored(tools.restoration)
        with pytest.raises(Unavailable, match="lost its records"):
            listed(tools)

        restored(tools.restoration)

        assert sorted(listed(tools)) == sorted(sent) == sorted(job.id for job in jobs)
        assert all_documents(tools).items == tuple(documents)

    def test_a_loss_in_the_middle_is_noticed(
        self, tools: Tools, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        live = published(tools)
        submitted(tools)
        lose()
        with monkeypatch.context() as patch:
            patch.setattr(records, "_ended_jobs", lambda _: iter([lose() or {}]))
            with pytest.raises(Unavailable, match="again"):
                restored(tools.restoration)
        with pytest.raises(Unavailable):
            tools.jobs.ping()

        restored(tools.restoration)

        assert all_documents(tools).items == (live,)

    def test_what_was_rebuilt_and_not_published_is_sent_by_the_next_one(
        self, tools: Tools, lose: Callable[[], None], sent: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = submitted(tools)
        lose()
        with monkeypatch.context() as patch:
            patch.setattr(records, "publish", failing)
            with pytest.raises(Unavailable):
                restored(tools.restoration)
        assert found(tools, job).state is JobState.QUEUED

        (overdue,) = tools.jobs.overdue([Stage.PARSE], silent_for=30, limit=9)

        assert overdue.id == job.id


class TestRestart:
    """The broker came back with what it had on disk, perhaps without its last second."""

    @pytest.fixture(autouse=True)
    def restarted(self, tools: Tools, redis_client: redis.Redis) -> Iterator[Callable[[], None]]:
        return lambda: redis_client.set("{aegis}:intact", "an earlier run") and None

    def test_it_is_noticed_while_everything_is_answered(
        self, tools: Tools, restarted: Callable[[], None]
    ) -> None:
        job = submitted(tools)
        restarted()
        assert not tools.restoration.recovery.intact()
        assert found(tools, job) == job

        restored(tools.restoration)

        assert tools.restoration.recovery.intact()
        assert found(tools, job) == job

    def test_jobs_and_documents_of_the_last_second_come_back(
        self, tools: Tools, restarted: Callable[[], None], redis_client: redis.Redis, sent: list[str]
    ) -> None:
        older, running = over(tools, submitted(tools)), submitted(tools)
        begun(tools, running, Stage.PARSE)
        published(tools, "b")
        disk = {key: redis_client.dump(key) for key in redis_client.scan_iter("*")}
        lost_job, lost_document = submitted(tools), published(tools, "b")
        lost_end = over(tools, asked(tools))
        redis_client.flushall()
        for key, value in disk.items():
            redis_client.restore(key, 0, value)
        restarted()

        restored(tools.restoration)

        assert sorted(listed(tools)) == sorted(job.id for job in (older, running, lost_job, lost_end))
        assert found(tools, lost_end) == lost_end
        assert found(tools, running).state is JobState.RUNNING
        assert sent == [lost_job.id]
        assert tools.documents.get("docs", "b") == lost_document

    def test_an_end_without_entry_gets_it(
        self,
        tools: Tools,
        restarted: Callable[[], None],
        lose: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(tools.journal, "end", failing)
            job = over(tools, submitted(tools))
        restarted()
        restored(tools.restoration)

        lose()
        restored(tools.restoration)

        assert found(tools, job) == job

    def test_a_collection_that_redis_knows_better_is_left(
        self, tools: Tools, restarted: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        published(tools)
        RedisDocumentRegistry(redis_client).drop_collection("docs")
        restarted()

        restored(tools.restoration)

        assert tools.documents.collections() == ()


class TestOverseer:
    @pytest.fixture
    def asks(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asks: list[str] = []
        monkeypatch.setattr(records.restore, "apply_async", lambda: asks.append("restore"))
        return asks

    def test_it_asks_once_for_what_is_out_of_order(
        self, tools: Tools, lose: Callable[[], None], asks: list[str]
    ) -> None:
        overseer = Overseer(tools.restoration.recovery)
        overseer.look()
        assert asks == []
        lose()

        overseer.look()
        overseer.look()

        assert asks == ["restore"]

    def test_it_does_not_ask_for_what_is_under_way(
        self, tools: Tools, lose: Callable[[], None], asks: list[str]
    ) -> None:
        lose()
        with tools.restoration.recovery.claimed() as claim:
            assert claim is not None
            Overseer(tools.restoration.recovery).look()
        assert asks == []

    def test_a_server_that_is_away_is_unavailable(self, tmp_path: Path, asks: list[str]) -> None:
        away = Tools(Settings(redis_url="unix:///nowhere/at-all.sock", aegis_home=tmp_path))
        with pytest.raises(Unavailable):
            Overseer(away.restoration.recovery).look()


def test_with_documents_alone_questions_are_not_kept(
    valkey: str, tmp_path: Path, lose: Callable[[], None], sent: list[str]
) -> None:
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path, journal="documents"))
    job, _ = submitted(tools), asked(tools)
    lose()

    restored(tools.restoration)

    assert listed(tools) == sent == [job.id]


def failing(*_: Any, **__: Any) -> None:
    raise Unavailable("the disk is full")


def after(calls: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """``real`` for so many calls, then failing."""
    left = iter(range(calls))

    def call(*args: Any) -> Any:
        return real(*args) if next(left, None) is not None else failing()

    return call
