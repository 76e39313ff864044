"""How every DocumentRegistry must let a second layout be built, and change places with the first."""

from dataclasses import replace

import pytest
import redis

from rag.errors import Conflict, UnknownCollection
from rag.jobs import RedisJobStore
from rag.model import Collection, DocumentVersion, JobKind, Layout, LayoutState, Lease, NewJob, Stage
from rag.ports import DocumentRegistry
from rag.settings import Settings
from tests.contract.documents.documentrecords import MODEL, document
from tests.deliveries import begin

NEXT = Layout(0, "next-model", 96, "job")


def begun(documents: DocumentRegistry, layout: Layout = NEXT, after: str = "") -> Collection:
    collection = documents.collection("docs")
    assert collection is not None
    return documents.begin_layout(collection, layout, after=after)


@pytest.fixture
def lease(redis_client: redis.Redis) -> Lease:
    """Of a running job whose id is that of ``NEXT``."""
    jobs = RedisJobStore(redis_client, Settings())
    jobs.accept(NewJob(NEXT.job_id, JobKind.REINDEX, Stage.REEMBED, "docs", {}))
    held = begin(jobs, NEXT.job_id, Stage.REEMBED, lease_seconds=30)
    assert held is not None
    return held


class TestLayouts:
    def test_a_collection_begins_with_one(self, documents: DocumentRegistry) -> None:
        collection = documents.collection("docs")

        assert collection is not None
        assert collection.layouts == (Layout(0, MODEL, 384),)
        assert (collection.store, collection.folder) == ("docs-1", "docs-1")

    def test_a_second_one_has_a_number_and_a_store_of_its_own(self, documents: DocumentRegistry) -> None:
        collection = begun(documents)

        assert collection.layouts == (Layout(0, MODEL, 384), Layout(1, "next-model", 96, "job"))
        assert collection.second is not None
        assert collection.second.state is LayoutState.BUILDING
        assert collection.store_of(collection.second.layout) == "docs-1.1"
        assert (collection.store, collection.folder) == ("docs-1", "docs-1")
        assert collection == documents.collection("docs") == begun(documents)

    def test_there_is_no_third(self, documents: DocumentRegistry) -> None:
        begun(documents)

        with pytest.raises(Conflict, match="next-model, by job job"):
            begun(documents, replace(NEXT, embedding_model="other", job_id="other"))
        with pytest.raises(Conflict):
            begun(documents, replace(NEXT, job_id="other"))

    def test_one_whose_job_is_over_can_be_taken_over(self, documents: DocumentRegistry) -> None:
        begun(documents)

        collection = begun(documents, replace(NEXT, job_id="other"), after="job")

        assert collection.second is not None
        assert collection.second.layout == Layout(1, "next-model", 96, "other")

    def test_no_number_is_given_out_twice(self, documents: DocumentRegistry) -> None:
        documents.end_layout(begun(documents), 1)

        assert [layout.number for layout in begun(documents).layouts] == [0, 2]

    def test_a_version_must_be_in_every_layout(self, documents: DocumentRegistry) -> None:
        version = documents.next_version("docs", "a")
        begun(documents)

        assert not documents.publish(document("a", version), (0,))
        assert not documents.publish(document("a", version), (1, 10))
        assert not documents.superseded("docs", 1, DocumentVersion("a", version))
        assert documents.publish(document("a", version), (0, 1))

    def test_they_change_places(self, documents: DocumentRegistry, lease: Lease) -> None:
        before = begun(documents)

        assert documents.switch_layout(before, 1, under=lease)
        assert documents.switch_layout(before, 1, under=lease)

        after = documents.collection("docs")
        assert after is not None
        assert (after.embedding_model, after.dimension, after.built_by) == ("next-model", 96, "job")
        assert after.layouts == tuple(reversed(before.layouts))
        assert after.second is not None
        assert after.second.state is LayoutState.KEPT
        assert after.revision > before.revision
        assert documents.switch_layout(after, 0)
        assert documents.collection("docs") != after

    def test_only_the_job_that_builds_one_lets_it_serve(
        self, documents: DocumentRegistry, lease: Lease
    ) -> None:
        collection = begun(documents)

        assert not documents.switch_layout(collection, 1)
        assert not documents.switch_layout(collection, 1, under=replace(lease, token=lease.token + 1))
        assert not documents.switch_layout(collection, 7, under=lease)
        assert documents.collection("docs") == collection

    def test_the_one_that_serves_cannot_be_given_up(self, documents: DocumentRegistry) -> None:
        collection = begun(documents)

        assert not documents.end_layout(collection, 0)
        assert documents.end_layout(collection, 1)
        assert not documents.end_layout(collection, 1)

    def test_a_successor_has_none_of_them(self, documents: DocumentRegistry) -> None:
        collection = begun(documents)
        documents.drop_collection("docs")
        with pytest.raises(UnknownCollection):
            documents.begin_layout(collection, NEXT)
        documents.put_collection("docs", MODEL, 384)

        with pytest.raises(UnknownCollection):
            documents.begin_layout(collection, NEXT)
        assert not documents.switch_layout(collection, 1)
        assert not documents.end_layout(collection, 1)
        assert begun(documents).store_of(NEXT) == "docs-2"
