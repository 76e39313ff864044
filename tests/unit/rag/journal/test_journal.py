"""The journal's entries: their keys, their JSON, and which one counts."""

from dataclasses import replace

import pytest
from uuid_utils.compat import uuid7

from rag.blobs.store import ObstoreBlobs
from rag.errors import Unavailable
from rag.journal.entries import BatchEntry, CollectionEntry, Deletion, JobFields, day_of, leaf_of, opening_of
from rag.journal.journal import Journal
from rag.model import Document
from rag.naming import MAX_DOCUMENT_ID

DOCUMENT = Document(
    document_id="guides/vpn.md",
    collection="docs",
    generation=2,
    version=7,
    fingerprint="f" * 64,
    title="Die Wärme – «title»",
    media_type="text/plain",
    source_key="sources/a",
    text_key="texts/a",
    chunks=3,
    tokens=300,
    created_at=1.5,
    updated_at=2.5,
    metadata={"tags": ["x", "ü"], "none": None},
)
DELETION = Deletion("docs", 2, "guides/vpn.md", 7)


@pytest.fixture
def blobs() -> ObstoreBlobs:
    return ObstoreBlobs("memory:///")


@pytest.fixture
def journal(blobs: ObstoreBlobs) -> Journal:
    return Journal(blobs)


def a_job(**fields: str) -> JobFields:
    plain = {"id": str(uuid7()), "kind": "ingest", "collection": "docs", "inputs": "{}", "created_at": "1.5"}
    return plain | fields


def open_ids(journal: Journal) -> list[str]:
    return [job_id for ids in journal.open_jobs() for job_id in ids]


def ended_ids(journal: Journal) -> list[str]:
    return [job_id for ids in journal.ended_jobs() for job_id in ids]


def documents(journal: Journal) -> list[Document | Deletion]:
    return [entry for batch in journal.documents() for entry in batch]


@pytest.mark.parametrize(
    "document_id",
    ["a", "..", ".", "a/b/../c", "ü" * MAX_DOCUMENT_ID, "x#12", "–", "line\u2028break"],
)
def test_any_document_id_can_be_kept(journal: Journal, document_id: str) -> None:
    document = replace(DOCUMENT, document_id=document_id)

    journal.put_document(document)

    assert documents(journal) == [document]


def test_a_newer_version_replaces_older_ones(journal: Journal) -> None:
    for version in (9, 10, 100):
        journal.put_document(replace(DOCUMENT, version=version))

    assert documents(journal) == [replace(DOCUMENT, version=100)]


def test_a_deletion_replaces_the_version_that_was_seen(journal: Journal) -> None:
    journal.put_document(DOCUMENT)
    journal.put_document(DELETION)

    assert documents(journal) == [DELETION]


def test_a_version_that_comes_late_does_not_remove_its_deletion(journal: Journal) -> None:
    journal.put_document(DELETION)
    journal.put_document(DOCUMENT)

    assert sorted(documents(journal), key=leaf_of) == [DOCUMENT, DELETION]


def test_a_collection_has_one_entry(journal: Journal) -> None:
    live = CollectionEntry("docs", 2, "a model", 384, 1.5, floor=3, dropped=False)
    journal.put_collection(live)
    assert list(journal.collections()) == [live]

    journal.put_collection(CollectionEntry.gone("docs", 2, 9))

    assert list(journal.collections()) == [CollectionEntry("docs", 2, "", 0, 0.0, floor=9, dropped=True)]


def test_a_job_is_open_until_it_is_over(journal: Journal) -> None:
    job = a_job()
    journal.open(job)
    assert list(journal.opened(open_ids(journal))) == [job]

    over = {**job, "state": "failed", "finished_at": "2.5"}
    journal.end(lambda: over)

    assert open_ids(journal) == []
    assert list(journal.ended(ended_ids(journal))) == [over]


def test_a_retried_job_is_open_again(journal: Journal) -> None:
    job = a_job()
    journal.end(lambda: {**job, "state": "failed"})

    journal.reopen(job)

    assert (open_ids(journal), ended_ids(journal)) == ([job["id"]], [])


def test_a_job_that_is_retried_while_its_end_is_written_stays_open(journal: Journal) -> None:
    job = a_job(deadline="9.0", result="{}")
    journal.open(job)
    seen = iter([{**job, "state": "failed"}, {**job, "state": "queued"}])

    journal.end(lambda: next(seen))

    assert ended_ids(journal) == []
    assert list(journal.opened(open_ids(journal))) == [opening_of(job)]


def test_nothing_is_left_of_a_forgotten_job(journal: Journal, blobs: ObstoreBlobs) -> None:
    job = a_job()
    journal.open(job)
    journal.end(lambda: {**job, "state": "failed"})

    journal.forget({job["id"]: ""})

    assert list(blobs.keys("journal")) == []


@pytest.mark.parametrize("spoiled", [b"", b"{", b"[]", b'"text"', b"null", b"{}", b'{"id": 1}', b"\xff"])
def test_an_entry_that_was_spoiled_is_passed_over(
    journal: Journal, blobs: ObstoreBlobs, spoiled: bytes
) -> None:
    job = a_job()
    journal.open(job)
    journal.put_document(DOCUMENT)
    blobs.put("journal/open/spoiled", spoiled)
    blobs.put("journal/documents/docs-2/spoiled/000000000001", spoiled)
    blobs.put("journal/collections/spoiled", spoiled)

    assert list(journal.opened(open_ids(journal))) == [job]
    assert documents(journal) == [DOCUMENT]
    assert list(journal.collections()) == []


def test_the_day_is_that_of_the_id() -> None:
    assert day_of("019aaaaa-aaaa-7000-8000-000000000000") == "2025-11-22"


class TestBatches:
    def test_one_is_a_single_entry_and_comes_back_whole(self, journal: Journal) -> None:
        entry = BatchEntry({"id": "b", "answer": "{}"}, [a_job(batch="b"), a_job(batch="b")])

        journal.open_batch(entry)

        assert list(journal.batches()) == [entry]
        assert open_ids(journal) == []

    def test_the_format_is_raised_before_the_first_one(self, journal: Journal, blobs: ObstoreBlobs) -> None:
        journal.check_format()
        assert blobs.get("journal/format") == b"1"

        journal.open_batch(BatchEntry({"id": "b"}, [a_job()]))

        assert blobs.get("journal/format") == b"2"
        Journal(blobs).check_format()

    def test_a_forgotten_job_leaves_it_before_its_end_is_forgotten(
        self, journal: Journal, blobs: ObstoreBlobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = [a_job(batch="b", state="succeeded"), a_job(batch="b")]
        journal.open_batch(BatchEntry({"id": "b"}, jobs))
        journal.end_all(jobs[:1])

        def failing(*_: object) -> None:
            raise Unavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(blobs, "put", failing)
            with pytest.raises(Unavailable):
                journal.forget({jobs[0]["id"]: "b"})
        assert ended_ids(journal) == [jobs[0]["id"]], "else a rebuild would begin the job again"

        journal.forget({jobs[0]["id"]: "b"})

        assert [job["id"] for entry in journal.batches() for job in entry.jobs] == [jobs[1]["id"]]
        assert ended_ids(journal) == []
        journal.forget({jobs[1]["id"]: "b"})
        assert list(journal.batches()) == []

    def test_a_damaged_one_is_skipped(self, journal: Journal, blobs: ObstoreBlobs) -> None:
        blobs.put("journal/batches/a", b'{"batch": {"id": "a"}, "jobs": [{"id": 1}]}')
        journal.open_batch(BatchEntry({"id": "b"}, [a_job()]))

        assert [entry.id for entry in journal.batches()] == ["b"]

    def test_jobs_without_an_end_are_told(self, journal: Journal) -> None:
        jobs = [a_job(state="succeeded"), a_job()]
        journal.end_all(jobs[:1])

        assert journal.lacking_ends([job["id"] for job in jobs]) == [jobs[1]["id"]]
