"""Documents and collections come back after a loss as they were, and what was deleted stays deleted."""

from collections.abc import Callable
from dataclasses import replace
from time import time

import pytest
import redis

from rag.model import Collection, DocumentVersion, JobState, Removal
from rag.recovery import rebuild
from tasks.documents.purge_jobs import assign_purge_job
from tasks.upkeep.rebuild import rebuild_records
from tests.integration.restoration.promises import (
    MODEL,
    all_documents,
    document,
    found,
    listed,
    over,
    published,
    submitted,
)
from workers.tools import Tools


def removed(tools: Tools, what: str) -> Removal:
    documents = tools.documents
    removal = documents.delete("docs", "a") if what == "a document" else documents.drop_collection("docs")
    assert removal is not None
    return removal


def collections(tools: Tools) -> list[Collection]:
    """But for their revisions, which only ever grow."""
    return [replace(collection, revision=0) for collection in tools.documents.collections()]


class TestDocuments:
    def test_they_are_as_they_were(self, tools: Tools, lose: Callable[[], None]) -> None:
        for document_id in ("a", "ü –", "x/../y"):
            published(tools, document_id)
        published(tools, "a")
        tools.documents.put_collection("empty", MODEL, 8)
        before = all_documents(tools), collections(tools)
        revisions = {collection.name: collection.revision for collection in tools.documents.collections()}
        lose()

        rebuild_records(tools.restoration)

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

        rebuild_records(tools.restoration)

        assert tools.documents.next_version("docs", "a") == 4

    def test_a_deleted_one_stays_deleted_and_so_does_what_was_on_its_way(
        self, tools: Tools, lose: Callable[[], None]
    ) -> None:
        published(tools)
        late = submitted(tools)
        tools.documents.delete("docs", "a")
        lose()

        rebuild_records(tools.restoration)

        assert all_documents(tools).items == ()
        assert not tools.documents.publish(document(late.inputs["version"]))
        assert tools.documents.publish(document(tools.documents.next_version("docs", "a")))

    def test_what_a_later_version_has_outdated_stays_so(self, tools: Tools, lose: Callable[[], None]) -> None:
        live = published(tools)
        between, later = submitted(tools), submitted(tools)
        assert tools.documents.confirm(live, later.inputs["version"])
        lose()

        rebuild_records(tools.restoration)

        assert not tools.documents.publish(document(between.inputs["version"]))
        (back,) = all_documents(tools).items
        assert (back.version, back.confirmed) == (live.version, later.inputs["version"])

    @pytest.mark.parametrize("what", ["a document", "a collection"])
    def test_a_deletion_that_got_no_job_is_purged_all_the_same(
        self, tools: Tools, lose: Callable[[], None], what: str
    ) -> None:
        published(tools)
        removal = removed(tools, what)
        lose()

        rebuild_records(tools.restoration)

        assert tools.documents.unpurged(silent_for=0, limit=9) == [removal]

    @pytest.mark.parametrize("what", ["a document", "a collection"])
    def test_the_job_that_purges_a_deletion_comes_back_as_it_was(
        self, tools: Tools, lose: Callable[[], None], what: str
    ) -> None:
        published(tools)
        job = assign_purge_job(tools.jobs, tools.documents, removed(tools, what)).job
        lose()

        rebuild_records(tools.restoration)

        (again,) = tools.documents.unpurged(silent_for=0, limit=9)
        assert assign_purge_job(tools.jobs, tools.documents, again).job.id == job.id
        assert listed(tools) == [job.id]
        assert found(tools, job).inputs == job.inputs
        assert tools.documents.unpurged(silent_for=0, limit=9) == []

    def test_a_server_that_was_started_again_brings_no_purge_back(
        self, tools: Tools, redis_client: redis.Redis
    ) -> None:
        published(tools)
        assign_purge_job(tools.jobs, tools.documents, removed(tools, "a document"))
        redis_client.set("{aegis}:intact", "another run")

        rebuild_records(tools.restoration)

        assert tools.documents.unpurged(silent_for=0, limit=9) == []

    def test_a_deletion_of_long_ago_is_not_purged_again(
        self, tools: Tools, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published(tools)
        removed(tools, "a document")
        lose()
        later = time() + tools.settings.job_retention_hours * 3600
        monkeypatch.setattr(rebuild, "time", lambda: later + 60)

        rebuild_records(tools.restoration)

        assert tools.documents.unpurged(silent_for=0, limit=9) == []

    def test_a_dropped_collection_stays_dropped(self, tools: Tools, lose: Callable[[], None]) -> None:
        live = published(tools)
        tools.documents.drop_collection("docs")
        lose()

        rebuild_records(tools.restoration)

        assert tools.documents.collections() == ()
        collection, _ = tools.documents.put_collection("docs", MODEL, 384)
        assert collection.generation == 2
        assert not tools.documents.publish(live)
        assert tools.documents.next_version("docs", "a") > live.version
