"""How every DocumentRegistry must number versions, and publish the newest."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest
import redis

from rag.errors import UnknownCollection
from rag.jobs import RedisJobStore
from rag.model import DocumentVersion, JobKind, Lease, NewJob, Stage
from rag.ports import DocumentRegistry
from rag.registry.rows import collection_key
from rag.settings import Settings
from tests.contract.documents.documentrecords import counts, document, published
from tests.deliveries import begin


class TestVersions:
    def test_they_count_up_for_each_document(self, documents: DocumentRegistry) -> None:
        assert [documents.next_version("docs", "a") for _ in range(3)] == [1, 2, 3]
        assert documents.next_version("docs", "b") == 1

    def test_many_documents_get_theirs_in_one_step(self, documents: DocumentRegistry) -> None:
        documents.next_version("docs", "a")
        names = ["a", "b", "a", *map(str, range(1200))]

        assert documents.next_versions("docs", names) == [2, 1, 3, *[1] * 1200]
        with pytest.raises(UnknownCollection):
            documents.next_versions("nowhere", ["a"])

    def test_they_go_on_after_a_deletion(self, documents: DocumentRegistry) -> None:
        published(documents)
        documents.delete("docs", "a")
        assert documents.next_version("docs", "a") == 2

    def test_no_two_callers_get_the_same(self, documents: DocumentRegistry) -> None:
        with ThreadPoolExecutor(8) as pool:
            versions = list(pool.map(lambda _: documents.next_version("docs", "a"), range(64)))
        assert sorted(versions) == list(range(1, 65))

    def test_one_is_claimed_while_there_is_no_such_document(self, documents: DocumentRegistry) -> None:
        assert documents.claim("docs", "a") == 1
        assert documents.claim("docs", "a") is None  # it is on its way
        documents.publish(document(version=1))
        assert documents.claim("docs", "a") is None
        documents.delete("docs", "a")
        assert documents.claim("docs", "a") == 2
        assert documents.next_version("docs", "b") == 1
        assert documents.claim("docs", "b") is None
        with pytest.raises(UnknownCollection):
            documents.claim("other", "a")

    def test_one_caller_alone_claims_a_document(self, documents: DocumentRegistry) -> None:
        with ThreadPoolExecutor(8) as pool:
            claimed = list(pool.map(lambda _: documents.claim("docs", "a"), range(32)))
        assert sorted(claimed, key=str) == [1, *[None] * 31]

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
        lease = begin(jobs, job_id, Stage.INDEX, lease_seconds=0)
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


class TestConfirm:
    """A later version that has the content of the one that is seen."""

    def test_what_was_accepted_in_between_never_comes(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        between, later = (documents.next_version("docs", "a") for _ in range(2))

        assert documents.confirm(live, later)

        assert not documents.publish(document(version=between))
        assert documents.superseded("docs", 1, DocumentVersion("a", between))
        assert not documents.superseded("docs", 1, DocumentVersion("a", live.version))
        assert documents.get("docs", "a") == replace(live, confirmed=later)
        assert documents.stale("docs", [DocumentVersion("a", live.version)]) == ()
        assert counts(documents) == (1, 3)

    def test_what_nobody_has_confirmed_is_kept_as_it_was_before_there_was_such_a_thing(
        self, documents: DocumentRegistry, redis_client: redis.Redis
    ) -> None:
        """Earlier versions of Aegis run beside this one while workers are replaced."""
        live = published(documents)
        place = collection_key("docs")

        assert redis_client.hget(f"{place}:live", "a") == b"1 3"
        assert b"confirmed" not in cast("bytes", redis_client.hget(f"{place}:records", "a"))
        assert documents.get("docs", "a") == live

    def test_the_one_that_is_seen_may_be_published_again(self, documents: DocumentRegistry) -> None:
        live, later = published(documents), documents.next_version("docs", "a")
        documents.confirm(live, later)

        assert documents.publish(live)

        assert documents.get("docs", "a") == replace(live, confirmed=later)

    def test_later_ones_come(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        documents.confirm(live, documents.next_version("docs", "a"))

        newer = published(documents)

        assert documents.get("docs", "a") == newer
        assert not documents.publish(replace(live, confirmed=9))

    def test_an_older_confirmation_takes_nothing_back(self, documents: DocumentRegistry) -> None:
        live = published(documents)
        first, between, last = (documents.next_version("docs", "a") for _ in range(3))
        documents.confirm(live, last)

        assert documents.confirm(live, first)

        assert not documents.publish(document(version=between))

    @pytest.mark.parametrize("why", ["replaced", "deleted", "of another generation", "cancelled"])
    def test_it_is_refused(self, documents: DocumentRegistry, redis_client: redis.Redis, why: str) -> None:
        live, later = published(documents), documents.next_version("docs", "a")
        jobs = RedisJobStore(redis_client, Settings())
        job = jobs.accept(NewJob("0-a", JobKind.INGEST, Stage.PARSE, "docs", {})).job
        lease = begin(jobs, job.id, Stage.PARSE, lease_seconds=30)
        match why:
            case "replaced":
                documents.publish(document(version=later))
            case "deleted":
                documents.delete("docs", "a")
            case "of another generation":
                live = replace(live, generation=2)
            case "cancelled":
                jobs.cancel(job.id)
        before = documents.get("docs", "a")

        assert not documents.confirm(live, later + 1, under=lease)

        assert documents.get("docs", "a") == before
