"""How every DocumentRegistry must let a restored collection take another's place."""

from dataclasses import replace

import pytest
import redis

from rag.jobs import RedisJobStore
from rag.model import Document, Hold, Holdings, JobKind, Lease, NewJob, Replacement, Reservation, Stage
from rag.ports import DocumentRegistry
from rag.settings import Settings
from tests.contract.documents.documentrecords import MODEL, counts, document, published
from tests.deliveries import begin


class TestReplacing:
    """A collection that is restored takes the place of the one that serves."""

    RESTORE = "00000000-0000-7000-8000-00000000000a"

    @pytest.fixture
    def jobs(self, redis_client: redis.Redis) -> RedisJobStore:
        return RedisJobStore(redis_client, Settings())

    @pytest.fixture
    def lease(self, jobs: RedisJobStore) -> Lease:
        jobs.accept(NewJob(self.RESTORE, JobKind.RESTORE, Stage.SWITCH, "", {}))
        lease = begin(jobs, self.RESTORE, Stage.SWITCH, lease_seconds=30)
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

    def test_what_keys_hold_is_of_what_serves(self, documents: DocumentRegistry, lease: Lease) -> None:
        published(documents, owner="a", size=10)
        replacement = self.staged(documents, document("b", 2, owner="b", size=7))
        assert documents.holdings("a") == Holdings(1, 10)
        assert documents.holdings("b") == Holdings(0, 0)

        assert documents.replace(replacement, under=lease)

        assert documents.holdings("a") == Holdings(0, 0)
        assert documents.holdings("b") == Holdings(1, 7)

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
        replaced = Reservation("docs", before.generation, self.RESTORE, Hold.REPLACED)
        assert documents.reservations() == (replaced,)

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

    def test_what_was_replaced_before_comes_along(self, documents: DocumentRegistry, lease: Lease) -> None:
        documents.replace(self.staged(documents, document("a", 2)), under=lease)
        documents.replace(self.staged(documents, document("a", 2)), under=lease)

        held = {(each.generation, each.job_id, each.hold) for each in documents.reservations()}

        assert held == {(1, self.RESTORE, Hold.REPLACED), (5, self.RESTORE, Hold.REPLACED)}

    def test_what_was_replaced_is_spent_with_its_successor(
        self, documents: DocumentRegistry, lease: Lease
    ) -> None:
        documents.replace(self.staged(documents, document("a", 2)), under=lease)
        other = documents.reserve("docs-1", self.RESTORE, above=0)

        documents.drop_collection("docs")

        spent = Reservation("docs", 1, self.RESTORE, Hold.SPENT)
        assert set(documents.reservations()) == {spent, other}

    def test_only_a_collection_that_is_newer_surpasses_it(
        self, documents: DocumentRegistry, lease: Lease
    ) -> None:
        first, second = self.staged(documents), self.staged(documents)
        assert not documents.reservation_superseded(second.reservation)

        assert documents.replace(second, under=lease)

        assert documents.reservation_superseded(first.reservation)
        assert not documents.reservation_superseded(second.reservation)

    @pytest.mark.parametrize(
        "why", ["cancelled", "nothing staged", "given up", "somebody else's", "made anew"]
    )
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
            case "given up":
                assert not documents.give_up(replace(replacement.reservation, job_id="b"))
                assert documents.give_up(replacement.reservation)
            case "somebody else's":
                redis_client.hset("{aegis}:reservations", "docs-5", "b filled")
            case "made anew":
                documents.drop_collection("docs")
                documents.put_collection("docs", MODEL, 384)
        before = documents.collection("docs")

        assert not documents.replace(replacement, under=lease)

        assert documents.collection("docs") == before
        assert why == "made anew" or documents.get("docs", "a") == live
