"""What every DocumentRegistry must do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from rag.errors import Conflict, UnknownCollection
from rag.model import (
    Collection,
    Document,
    DocumentVersion,
    JobKind,
    Layout,
    LayoutState,
    Lease,
    NewJob,
    Removal,
    Replacement,
    Reservation,
    Stage,
)
from rag.ports import DocumentRegistry
from rag.settings import Settings
from rag.stores.blobs import ObstoreBlobs
from rag.stores.documents import RedisDocumentRegistry
from rag.stores.jobs import RedisJobStore
from rag.stores.journal import Journal
from rag.stores.kept_documents import KeptDocumentRegistry
from tests.system.running import until

MODEL = "all-MiniLM-L6-v2"


@pytest.fixture(params=["plain", "kept in a folder", "kept in memory"])
def documents(request: pytest.FixtureRequest, redis_client: redis.Redis, tmp_path: Path) -> DocumentRegistry:
    registry = RedisDocumentRegistry(redis_client)
    if request.param != "plain":
        address = "memory:///" if "memory" in request.param else tmp_path.as_uri()
        registry = KeptDocumentRegistry(redis_client, Journal(ObstoreBlobs(address)))
    registry.put_collection("docs", MODEL, 384)
    return registry


def document(document_id: str = "a", version: int = 1, **changes: object) -> Document:
    plain = Document(
        document_id=document_id,
        collection="docs",
        generation=1,
        version=version,
        fingerprint="f" * 64,
        title="Die Wärme – «title»",
        media_type="text/plain",
        source_key="sources/a",
        text_key="texts/a",
        chunks=3,
        tokens=300,
        created_at=1.5,
        updated_at=2.5,
        metadata={"tags": ["x", "ü"], "empty": {}, "year": 2020, "none": None},
    )
    return replace(plain, **changes)


def published(documents: DocumentRegistry, document_id: str = "a", **changes: object) -> Document:
    version = documents.next_version("docs", document_id)
    made = document(document_id, version, **changes)
    assert documents.publish(made)
    return made


def counts(documents: DocumentRegistry) -> tuple[int, int]:
    collection = documents.collection("docs")
    assert collection is not None
    return collection.documents, collection.chunks


class TestCollections:
    def test_one_is_made_once(self, documents: DocumentRegistry) -> None:
        first, created = documents.put_collection("new", MODEL, 384)
        again, created_again = documents.put_collection("new", MODEL, 384)

        assert (created, created_again) == (True, False)
        assert first == again == documents.collection("new")
        assert (first.name, first.embedding_model, first.dimension) == ("new", MODEL, 384)
        assert (first.generation, first.documents, first.chunks) == (1, 0, 0)
        assert [collection.name for collection in documents.collections()] == ["docs", "new"]

    @pytest.mark.parametrize(("model", "dimension"), [("other", 384), (MODEL, 1024)])
    def test_another_model_or_size_conflicts(
        self, documents: DocumentRegistry, model: str, dimension: int
    ) -> None:
        with pytest.raises(Conflict, match="docs"):
            documents.put_collection("docs", model, dimension)
        assert documents.put_collection("docs", MODEL, 384)[1] is False

    def test_an_unknown_one_holds_nothing(self, documents: DocumentRegistry) -> None:
        assert documents.collection("other") is None
        assert documents.drop_collection("other") is None
        assert documents.get("other", "a") is None
        assert documents.delete("other", "a") is None
        assert documents.page("other", cursor=None, limit=5).items == ()
        assert documents.stale("other", [DocumentVersion("a", 1)]) == (DocumentVersion("a", 1),)
        assert not documents.publish(document(collection="other"))
        with pytest.raises(UnknownCollection):
            documents.next_version("other", "a")

    def test_dropping_forgets_its_documents_at_once(self, documents: DocumentRegistry) -> None:
        live = published(documents)

        dropped = documents.drop_collection("docs")

        assert dropped is not None
        assert (dropped.collection, dropped.generation, dropped.document_id) == ("docs", 1, None)
        assert documents.collections() == ()
        assert documents.get("docs", "a") is None
        assert documents.stale("docs", [DocumentVersion("a", live.version)])

    def test_nothing_of_a_dropped_one_enters_its_successor(self, documents: DocumentRegistry) -> None:
        published(documents)
        late = document(version=documents.next_version("docs", "a"))
        documents.drop_collection("docs")

        successor, created = documents.put_collection("docs", "another model", 8)

        assert (created, successor.generation, successor.documents) == (True, 2, 0)
        assert not documents.publish(late)
        assert not documents.publish(replace(late, generation=2))
        assert documents.next_version("docs", "a") > late.version


class TestVersions:
    def test_they_count_up_for_each_document(self, documents: DocumentRegistry) -> None:
        assert [documents.next_version("docs", "a") for _ in range(3)] == [1, 2, 3]
        assert documents.next_version("docs", "b") == 1

    def test_they_go_on_after_a_deletion(self, documents: DocumentRegistry) -> None:
        published(documents)
        documents.delete("docs", "a")
        assert documents.next_version("docs", "a") == 2

    def test_no_two_callers_get_the_same(self, documents: DocumentRegistry) -> None:
        with ThreadPoolExecutor(8) as pool:
            versions = list(pool.map(lambda _: documents.next_version("docs", "a"), range(64)))
        assert sorted(versions) == list(range(1, 65))

    def test_the_highest_outlives_its_collection(self, documents: DocumentRegistry) -> None:
        assert documents.highest("docs") == 0
        versions = [documents.next_version("docs", name) for name in ("a", "b", "a")]
        assert documents.highest("docs") == max(versions)
        documents.drop_collection("docs")
        assert documents.highest("docs") == max(versions)

    def test_they_stay_above_one_that_was_published_unasked(self, documents: DocumentRegistry) -> None:
        documents.publish(document(version=7))
        assert documents.next_version("docs", "a") == 8


class TestPublish:
    def test_the_document_is_what_was_published(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        assert documents.get("docs", "a") == live
        assert documents.get("docs", "b") is None
        assert counts(documents) == (1, 3)

    def test_a_newer_version_replaces_an_older_one(self, documents: DocumentRegistry) -> None:
        published(documents)
        newer = published(documents, chunks=5)
        assert documents.get("docs", "a") == newer
        assert counts(documents) == (1, 5)

    def test_an_older_one_changes_nothing(self, documents: DocumentRegistry) -> None:
        older = document(version=documents.next_version("docs", "a"), chunks=9)
        newer = published(documents)
        assert not documents.publish(older)
        assert documents.get("docs", "a") == newer
        assert counts(documents) == (1, 3)

    def test_the_same_one_again_is_fine(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        assert documents.publish(live)
        assert counts(documents) == (1, 3)

    def test_of_many_at_once_the_newest_stays(self, documents: DocumentRegistry) -> None:
        versions = [document(version=documents.next_version("docs", "a"), chunks=n) for n in range(16)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(documents.publish, reversed(versions)))
        assert documents.get("docs", "a") == versions[-1]
        assert counts(documents) == (1, 15)


class TestPublishUnderALease:
    @pytest.fixture
    def lease(self, redis_client: redis.Redis) -> Lease:
        return self.begun(redis_client, "00000000-0000-7000-8000-000000000001")

    def begun(self, redis_client: redis.Redis, job_id: str) -> Lease:
        jobs = RedisJobStore(redis_client, Settings())
        jobs.accept(NewJob(job_id, JobKind.INGEST, Stage.INDEX, "docs", {}))
        lease = jobs.begin(job_id, Stage.INDEX, lease_seconds=0)
        assert lease is not None
        return lease

    def test_whoever_holds_it_publishes(self, documents: DocumentRegistry, lease: Lease) -> None:
        version = documents.next_version("docs", "a")
        assert documents.publish(document("a", version), under=lease)

    def test_after_a_cancel_nothing_appears(
        self, documents: DocumentRegistry, lease: Lease, redis_client: redis.Redis
    ) -> None:
        RedisJobStore(redis_client, Settings()).cancel(lease.job.id)
        version = documents.next_version("docs", "a")

        assert not documents.publish(document("a", version), under=lease)

        assert documents.get("docs", "a") is None

    def test_an_earlier_attempt_publishes_no_more(
        self, documents: DocumentRegistry, lease: Lease, redis_client: redis.Redis
    ) -> None:
        later = self.begun(redis_client, lease.job.id)
        version = documents.next_version("docs", "a")

        assert not documents.publish(document("a", version), under=lease)
        assert documents.publish(document("a", version), under=later)


class TestOutdated:
    def test_a_version_that_may_still_be_seen_is_not(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        ahead = documents.next_version("docs", "a")
        assert not documents.outdated("docs", 1, DocumentVersion("a", live.version))
        assert not documents.outdated("docs", 1, DocumentVersion("a", ahead))

    def test_one_that_was_replaced_or_deleted_is(self, documents: DocumentRegistry) -> None:
        first, second = published(documents), published(documents)
        assert documents.outdated("docs", 1, DocumentVersion("a", first.version))
        documents.delete("docs", "a")
        assert documents.outdated("docs", 1, DocumentVersion("a", second.version))

    def test_one_of_a_dropped_collection_is(self, documents: DocumentRegistry) -> None:
        version = DocumentVersion("a", documents.next_version("docs", "a"))
        documents.drop_collection("docs")
        assert documents.outdated("docs", 1, version)
        documents.put_collection("docs", MODEL, 384)
        assert documents.outdated("docs", 1, version)
        assert documents.outdated("docs", 2, version)


class TestDelete:
    def test_the_document_is_hidden_at_once(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        published(documents, "b")

        assert documents.delete("docs", "a") is not None

        assert documents.get("docs", "a") is None
        assert documents.stale("docs", [DocumentVersion("a", live.version)])
        assert counts(documents) == (1, 3)

    @pytest.mark.parametrize("live", [True, False], ids=["replacing", "first"])
    def test_versions_on_their_way_stay_out(self, documents: DocumentRegistry, live: bool) -> None:
        if live:
            published(documents)
        late = document(version=documents.next_version("docs", "a"))

        documents.delete("docs", "a")

        assert not documents.publish(late)
        assert documents.get("docs", "a") is None
        later = published(documents)
        assert documents.get("docs", "a") == later
        assert not documents.publish(late)


def dropped(documents: DocumentRegistry) -> Removal | None:
    return documents.drop_collection("docs")


def deleted(documents: DocumentRegistry) -> Removal | None:
    return documents.delete("docs", "a")


class TestUnpurged:
    @pytest.mark.parametrize("remove", [deleted, dropped])
    def test_a_deletion_returns_what_to_purge_until_a_job_has_it(
        self, documents: DocumentRegistry, remove: Callable[[DocumentRegistry], Removal | None]
    ) -> None:
        published(documents)

        removal = remove(documents)

        assert removal is not None
        assert remove(documents) == removal
        assert documents.unpurged(silent_for=0, limit=9) == [removal]
        documents.entrusted(removal)
        assert remove(documents) is None
        assert documents.unpurged(silent_for=0, limit=9) == []

    def test_it_names_what_the_document_occupies(self, documents: DocumentRegistry) -> None:
        live = published(documents, "guides/a\n b-1", source_key="sources/1", text_key="texts/1")

        removal = documents.delete("docs", live.document_id)

        assert removal is not None
        assert (removal.collection, removal.generation) == ("docs", 1)
        assert (removal.document_id, removal.version) == (live.document_id, live.version)
        assert removal.blobs == ("sources/1", "texts/1")
        assert documents.unpurged(silent_for=0, limit=9) == [removal]

    def test_a_successor_deleted_too_is_purged_along(self, documents: DocumentRegistry) -> None:
        published(documents, source_key="sources/1", text_key="texts/1")
        first = documents.delete("docs", "a")
        later = published(documents, source_key="sources/2", text_key="texts/2")

        both = documents.delete("docs", "a")

        assert first is not None
        assert both is not None
        assert both.job_id != first.job_id
        assert both.version == later.version
        assert set(both.blobs) == {"sources/1", "texts/1", "sources/2", "texts/2"}
        documents.entrusted(first)
        assert documents.unpurged(silent_for=0, limit=9) == [both]

    def test_each_generation_is_purged(self, documents: DocumentRegistry) -> None:
        first = documents.drop_collection("docs")
        documents.put_collection("docs", MODEL, 384)
        second = documents.drop_collection("docs")

        assert first is not None
        assert second is not None
        assert (first.generation, second.generation) == (1, 2)
        assert documents.unpurged(silent_for=0, limit=9) == [first, second]
        assert documents.drop_collection("docs") == second

    def test_one_is_told_when_it_is_old_enough(
        self, documents: DocumentRegistry, redis_client: redis.Redis
    ) -> None:
        published(documents)
        removal = documents.delete("docs", "a")

        assert documents.unpurged(silent_for=30, limit=9) == []
        redis_client.zincrby("{aegis}:unpurged:since", -31, "docs-1/a")
        assert documents.unpurged(silent_for=30, limit=9) == [removal]

    def test_a_clock_that_jumped_back_hides_none(
        self, documents: DocumentRegistry, redis_client: redis.Redis
    ) -> None:
        published(documents)
        removal = documents.delete("docs", "a")

        redis_client.zincrby("{aegis}:unpurged:since", 3600, "docs-1/a")
        assert documents.unpurged(silent_for=30, limit=9) == [removal]


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
    held = jobs.begin(NEXT.job_id, Stage.REEMBED, lease_seconds=30)
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
        assert not documents.outdated("docs", 1, DocumentVersion("a", version))
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


class TestStale:
    def test_only_the_live_version_of_each_document_is_to_be_seen(self, documents: DocumentRegistry) -> None:
        for document_id in ("a", "a", "b", "ü –"):
            published(documents, document_id)
        asked = [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("ü –", 1), ("b", 2)]

        stale = documents.stale("docs", (DocumentVersion(*each) for each in asked))

        assert [(each.document_id, each.version) for each in stale] == [("a", 1), ("c", 1), ("b", 2)]

    def test_nothing_asked_nothing_stale(self, documents: DocumentRegistry) -> None:
        assert documents.stale("docs", []) == ()


class TestPage:
    def test_documents_come_by_id_and_each_once(self, documents: DocumentRegistry) -> None:
        ids = sorted(["b", "a", "c", "ab", "B", "10", "9", "ü"], key=str.encode)
        for document_id in reversed(ids):
            published(documents, document_id)

        assert self._pages(lambda cursor: documents.page("docs", cursor=cursor, limit=3)) == [
            ids[:3],
            ids[3:6],
            ids[6:],
        ]

    def test_a_full_last_page_is_the_last(self, documents: DocumentRegistry) -> None:
        for document_id in "abcd":
            published(documents, document_id)
        assert self._pages(lambda cursor: documents.page("docs", cursor=cursor, limit=2)) == [
            ["a", "b"],
            ["c", "d"],
        ]

    def _pages(self, page: Callable) -> list[list[str]]:
        cursor, pages = None, []
        while True:
            window = page(cursor)
            pages.append([item.document_id for item in window.items])
            cursor = window.next
            if cursor is None:
                return pages


class TestRevision:
    def revision(self, documents: DocumentRegistry) -> int:
        collection = documents.collection("docs")
        assert collection is not None
        return collection.revision

    def test_it_grows_with_everything_that_searches_may_see(self, documents: DocumentRegistry) -> None:
        revisions = [self.revision(documents)]

        first = published(documents)
        revisions.append(self.revision(documents))
        published(documents, "b")
        revisions.append(self.revision(documents))
        published(documents, first.document_id)
        revisions.append(self.revision(documents))
        documents.delete("docs", "a")
        revisions.append(self.revision(documents))

        assert revisions == sorted(set(revisions))

    def test_it_stays_while_nothing_changes(self, documents: DocumentRegistry) -> None:
        older = published(documents)
        published(documents)
        before = self.revision(documents)

        documents.next_version("docs", "b")
        documents.put_collection("docs", MODEL, 384)
        documents.publish(older)
        documents.delete("docs", "never there")
        documents.delete("other", "a")

        assert self.revision(documents) == before

    def test_it_is_beyond_all_that_were_lost(
        self, documents: DocumentRegistry, redis_client: redis.Redis
    ) -> None:
        held = self.revision(documents)
        for document_id in "abc":
            published(documents, document_id)
        lost = self.revision(documents)
        redis_client.hset("{aegis}:collection:docs", "revision", held)
        until(lambda: redis_client.time()[0] > lost / 1000)  # some changes came in one millisecond

        published(documents, "d")

        assert self.revision(documents) > lost


class TestReplacing:
    """A collection that is restored takes the place of the one that serves."""

    RESTORE = "00000000-0000-7000-8000-00000000000a"

    @pytest.fixture
    def jobs(self, redis_client: redis.Redis) -> RedisJobStore:
        return RedisJobStore(redis_client, Settings())

    @pytest.fixture
    def lease(self, jobs: RedisJobStore) -> Lease:
        jobs.accept(NewJob(self.RESTORE, JobKind.RESTORE, Stage.SWITCH, "", {}))
        lease = jobs.begin(self.RESTORE, Stage.SWITCH, lease_seconds=30)
        assert lease is not None
        return lease

    def staged(
        self, documents: DocumentRegistry, *restored: Document, name: str = "docs", above: int = 0
    ) -> Replacement:
        reservation = documents.reserve(name, self.RESTORE, above=4)
        mine = (replace(each, collection=name, generation=reservation.generation) for each in restored)
        documents.stage(reservation, mine, afresh=True)
        return Replacement(reservation, "another model", 8, 1.5, above)

    def test_a_reserved_generation_is_nobody_elses(self, documents: DocumentRegistry) -> None:
        first = documents.reserve("docs", "a", above=4)
        second = documents.reserve("docs", "b", above=0)
        documents.drop_collection("docs")
        made, _ = documents.put_collection("docs", MODEL, 384)

        assert (first, second) == (Reservation("docs", 5, "a"), Reservation("docs", 6, "b"))
        assert set(documents.reservations()) == {first, second}
        assert made.generation == 7
        documents.release(replace(first, job_id="b"))
        documents.release(second)
        assert documents.reservations() == (first,)

    def test_nothing_is_seen_of_what_is_staged(self, documents: DocumentRegistry) -> None:
        live, before = published(documents), documents.collection("docs")

        self.staged(documents, document("b"))

        assert documents.collection("docs") == before
        assert documents.page("docs", cursor=None, limit=9).items == (live,)

    def test_it_is_one_step(self, documents: DocumentRegistry, lease: Lease) -> None:
        former, _ = published(documents), published(documents, "b")
        documents.delete("docs", "b")
        before = documents.collection("docs")
        assert before is not None
        replacement = self.staged(documents, document("a", 2, chunks=5), document("c", 7))

        assert documents.replace(replacement, under=lease)

        restored = [
            replace(document("a", 2, chunks=5), generation=5),
            replace(document("c", 7), generation=5),
        ]
        assert list(documents.page("docs", cursor=None, limit=9).items) == restored
        found = documents.collection("docs")
        assert found is not None
        assert (found.generation, found.documents, found.chunks) == (5, 2, 8)
        assert (found.embedding_model, found.dimension, found.created_at) == ("another model", 8, 1.5)
        assert (found.layout, found.second, found.built_by) == (0, None, self.RESTORE)
        assert found.revision > before.revision
        assert not documents.publish(replace(former, version=99))
        assert documents.reservations() == (Reservation("docs", before.generation, self.RESTORE),)

    def test_again_it_changes_nothing(self, documents: DocumentRegistry, lease: Lease) -> None:
        replacement = self.staged(documents, document("a", 2))
        assert documents.replace(replacement, under=lease)
        documents.publish(replace(document("b", 3), generation=5))
        before = documents.collection("docs")

        assert documents.replace(replacement, under=lease)

        assert documents.collection("docs") == before

    def test_a_name_that_is_free_is_taken(self, documents: DocumentRegistry, lease: Lease) -> None:
        assert documents.replace(self.staged(documents, document("a", 2), name="new"), under=lease)
        assert [each.name for each in documents.collections()] == ["docs", "new"]
        assert documents.get("new", "a") is not None
        assert documents.reservations() == ()

    def test_one_without_documents_too(self, documents: DocumentRegistry, lease: Lease) -> None:
        published(documents)
        assert documents.replace(self.staged(documents), under=lease)
        assert counts(documents) == (0, 0)

    def test_no_version_is_given_out_twice(self, documents: DocumentRegistry, lease: Lease) -> None:
        for _ in range(3):
            published(documents)
        assert documents.replace(self.staged(documents, document("a", 2), above=9), under=lease)
        assert documents.next_version("docs", "a") == documents.next_version("docs", "b") == 10

    def test_what_was_on_its_way_may_be_published_in_it(
        self, documents: DocumentRegistry, lease: Lease
    ) -> None:
        """As the version that it was given, by whoever brings it into the generation."""
        for _ in range(3):
            published(documents)
        documents.replace(self.staged(documents, document("a", 2)), under=lease)

        assert documents.publish(replace(document("a", 3), generation=5))
        assert not documents.publish(replace(document("a", 1), generation=5))

    @pytest.mark.parametrize("why", ["cancelled", "nothing staged", "made anew"])
    def test_it_is_refused(
        self,
        documents: DocumentRegistry,
        lease: Lease,
        jobs: RedisJobStore,
        why: str,
        redis_client: redis.Redis,
    ) -> None:
        live, replacement = published(documents), self.staged(documents, document("b"))
        match why:
            case "cancelled":
                jobs.cancel(self.RESTORE)
            case "nothing staged":
                redis_client.delete(*redis_client.keys("{aegis}:staged:*"))
            case "made anew":
                documents.drop_collection("docs")
                documents.put_collection("docs", MODEL, 384)
        before = documents.collection("docs")

        assert not documents.replace(replacement, under=lease)

        assert documents.collection("docs") == before
        assert why == "made anew" or documents.get("docs", "a") == live
