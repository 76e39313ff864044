"""Redis loses its data between any two steps of what is promised."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.jobs import RedisJobStore
from rag.model import JobKind, JobState, NewJob, Stage
from rag.registry.registry import RedisDocumentRegistry
from tasks.upkeep.rebuild import rebuild_records
from tests.integration.restoration.promises import (
    MODEL,
    all_documents,
    asked,
    document,
    failing,
    found,
    listed,
    over,
    published,
    submitted,
    to_run,
)
from workers.tools import Tools


class TestCrashes:
    """Between any two steps: what was not promised may go, what was promised may not."""

    def test_before_the_entry_the_job_was_not_promised(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        unpromised = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "docs", {})
        RedisJobStore(redis_client, tools.settings).accept(unpromised, idempotency_key="k", body_digest="d")
        lose()
        rebuild_records(tools.restoration)
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
        rebuild_records(tools.restoration)

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
            rebuild_records(tools.restoration)
            written(job)

        monkeypatch.setattr(tools.journal, "open", rebuilt_meanwhile)
        with pytest.raises(Unavailable, match="try again"):
            asked(tools)

    def test_between_the_end_and_its_entry_the_job_is_done_once_more(
        self, tools: Tools, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(tools.journal, "end", failing)
            job = over(tools, submitted(tools))
        assert job.state is JobState.SUCCEEDED
        lose()

        rebuild_records(tools.restoration)

        assert to_run(tools) == [job.id]

    def test_between_the_ends_entry_and_the_removal_of_the_other_the_job_is_over(
        self, tools: Tools, lose: Callable[[], None]
    ) -> None:
        job = submitted(tools)
        entry = tools.restoration.jobs.record(job.id)
        over(tools, job)
        tools.journal.open(entry)
        lose()

        rebuild_records(tools.restoration)

        assert (found(tools, job).state, to_run(tools)) == (JobState.SUCCEEDED, [])

    def test_between_publication_and_its_entry_the_older_version_is_seen_and_the_job_open(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        older = published(tools)
        job = submitted(tools)
        RedisDocumentRegistry(redis_client).publish(document(job.inputs["version"]))
        lose()

        rebuild_records(tools.restoration)

        assert all_documents(tools).items == (older,)
        assert to_run(tools) == [job.id]

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
        rebuild_records(tools.restoration)

        assert all_documents(tools).items == ()

    def test_a_collection_made_by_a_process_that_died_is_kept_by_the_next_one(
        self, tools: Tools, lose: Callable[[], None], redis_client: redis.Redis
    ) -> None:
        RedisDocumentRegistry(redis_client).put_collection("docs", MODEL, 384)
        published(tools)
        lose()

        rebuild_records(tools.restoration)

        assert len(all_documents(tools).items) == 1
