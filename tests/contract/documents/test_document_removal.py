"""What every DocumentRegistry must hide at once, and tell until it is purged."""

from collections.abc import Callable

import pytest
import redis

from rag.model import DocumentVersion, Removal
from rag.ports import DocumentRegistry
from tests.contract.documents.documentrecords import MODEL, counts, document, published


class TestOutdated:
    def test_a_version_that_may_still_be_seen_is_not(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        ahead = documents.next_version("docs", "a")
        assert not documents.superseded("docs", 1, DocumentVersion("a", live.version))
        assert not documents.superseded("docs", 1, DocumentVersion("a", ahead))

    def test_one_that_was_replaced_or_deleted_is(self, documents: DocumentRegistry) -> None:
        first, second = published(documents), published(documents)
        assert documents.superseded("docs", 1, DocumentVersion("a", first.version))
        documents.delete("docs", "a")
        assert documents.superseded("docs", 1, DocumentVersion("a", second.version))

    def test_one_of_a_dropped_collection_is(self, documents: DocumentRegistry) -> None:
        version = DocumentVersion("a", documents.next_version("docs", "a"))
        documents.drop_collection("docs")
        assert documents.superseded("docs", 1, version)
        documents.put_collection("docs", MODEL, 384)
        assert documents.superseded("docs", 1, version)
        assert documents.superseded("docs", 2, version)


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

    def test_one_on_its_way_for_the_first_time_is_deleted_like_any_other(
        self, documents: DocumentRegistry
    ) -> None:
        late = document(version=documents.next_version("docs", "a"))

        removal = documents.delete("docs", "a")

        assert removal is not None
        assert (removal.document_id, removal.version, removal.blobs) == ("a", late.version, ())
        assert documents.delete("docs", "a") == removal
        documents.assign_purge(removal)
        assert documents.delete("docs", "a") is None
        assert not documents.publish(late)

    def test_one_that_is_brought_anew_after_its_deletion_is_deleted_again(
        self, documents: DocumentRegistry
    ) -> None:
        published(documents)
        first = documents.delete("docs", "a")
        assert first is not None
        documents.assign_purge(first)
        again = documents.next_version("docs", "a")

        second = documents.delete("docs", "a")

        assert second is not None
        assert (second.version, second.job_id == first.job_id) == (again, False)

    def test_one_that_nobody_has_brought_is_not_there(self, documents: DocumentRegistry) -> None:
        documents.next_version("docs", "a")

        assert documents.delete("docs", "b") is None
        assert documents.delete("docs", "a", up_to=1) is None

    def test_versions_above_a_bound_stay_and_come(self, documents: DocumentRegistry) -> None:
        older, live = published(documents), published(documents)
        ahead = document(version=documents.next_version("docs", "a"))

        assert documents.delete("docs", "a", up_to=older.version) is None

        assert documents.get("docs", "a") == live
        removal = documents.delete("docs", "a", up_to=live.version)
        assert removal is not None
        assert removal.version == live.version
        assert documents.get("docs", "a") is None
        assert not documents.publish(live)
        assert documents.publish(ahead)


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
        documents.assign_purge(removal)
        assert remove(documents) is None
        assert documents.unpurged(silent_for=0, limit=9) == []

    def test_it_names_what_the_document_occupies(self, documents: DocumentRegistry) -> None:
        live = published(documents, "guides/a\n b-1", source_key="sources/1", text_key="texts/1")

        removal = documents.delete("docs", live.document_id)

        assert removal is not None
        assert (removal.collection, removal.generation) == ("docs", 1)
        assert (removal.document_id, removal.version) == (live.document_id, live.version)
        assert removal.blobs == ("sources/1", "texts/1", "chunks/1")
        assert removal.title == live.title
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
        assert set(both.blobs) == {
            f"{folder}/{n}" for folder in ("sources", "texts", "chunks") for n in (1, 2)
        }
        documents.assign_purge(first)
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
