"""What is in a backup, and what is sent for it."""

from hashlib import sha256

import pytest

from rag.backups import contents
from rag.backups.digest import digests
from rag.backups.packs import OpenBackup, Unpacking
from rag.backups.points import unpacked
from rag.model import JobKind, JobState
from tasks.backups import progress
from tasks.submit.submissions import Submissions
from tests.contents import total
from tests.deliveries import finished
from tests.integration.backups.making import (
    COLLECTION,
    EMPTY,
    OTHER,
    Store,
    asked,
    blobs_of,
    brought,
    bytes_of,
    documents_of,
    ingested,
    lines_of,
    made,
    names,
    saved,
)
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess
from tests.integration.installations import points_in


def test_everything_is_in_it(tools: InProcess, desk: Submissions, past: None) -> None:
    ingested(tools, desk, *names(12))
    ingested(tools, desk, "soup", into=OTHER)
    dropped = finished(tools, desk.drop_collection(OTHER).id)
    ingested(tools, desk, "salad", into=OTHER)
    on_its_way = brought(desk, "late")

    manifest = made(tools, desk)

    assert [each.name for each in manifest.collections] == [EMPTY, COLLECTION, OTHER]
    book, blank = saved(manifest), saved(manifest, EMPTY)
    points = points_in(tools.vectors, book.store)
    whole = total(digests(points))
    assert (book.documents, book.points, book.late, book.digest) == (12, 24, 0, str(whole))
    assert (book.embedding_model, book.dimension) == (OLD, DIMENSIONS[OLD])
    assert (blank.store, blank.documents, blank.points, blank.digest) == ("", 0, 0, "0" * 64)
    assert [each.document.document_id for each in documents_of(tools, manifest)] == names(12)
    unpacking = Unpacking(OpenBackup(tools.vault, manifest))
    packed = [blob for each in documents_of(tools, manifest) for blob in each.blobs]
    copy = [point for blob in packed for point in unpacked(unpacking.get(blob))]
    assert total(digests(copy)) == whole
    assert sum(blob.size for blob in packed) == book.size
    assert book.files == ()
    jobs = {job["id"]: job for job in map(contents.saved_job, lines_of(tools, manifest, contents.JOBS))}
    assert "state" not in jobs[on_its_way]
    assert jobs[dropped.id]["state"] == JobState.SUCCEEDED
    assert manifest.id not in jobs
    entries = map(contents.saved_collection, lines_of(tools, manifest, contents.COLLECTIONS))
    assert {(entry.name, entry.generation) for entry in entries} == {(COLLECTION, 1), (EMPTY, 1), (OTHER, 2)}
    assert saved(manifest, OTHER).highest == 2, "soup had 1 before the collection was dropped, salad got 2"
    blobs = {blob.key: blob for blob in blobs_of(tools, manifest)}
    assert blobs.keys() == {
        key for key in tools.blobs.keys("") if key.startswith(("sources/", "texts/", "chunks/"))
    }
    for key, blob in blobs.items():
        assert sha256(bytes_of(tools, manifest, blob)).hexdigest() == blob.sha256
        assert bytes_of(tools, manifest, blob) == tools.blobs.get(key)
    assert manifest.missing == ()


def test_what_was_published_a_moment_ago_is_in_it(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")

    book = saved(made(tools, desk))

    assert (book.documents, book.late) == (1, 0)


def test_golden_queries_find_their_passages(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(12))

    manifest = made(tools, desk)

    queries = list(map(contents.golden_query, lines_of(tools, manifest, saved(manifest).golden_stream)))
    assert len(queries) > 10
    for query in queries:
        found = tools.vectors.search(saved(manifest).store, query.asked(10))
        assert [hit.passage.chunk_id for hit in found] == [hit.chunk_id for hit in query.hits]
    assert tools.models[OLD].embedded.count(queries[0].text) <= 1, "no model is asked for a backup"


def test_what_is_told_of_it(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(3))
    job = finished(tools, asked(desk))

    manifest, word = tools.vault.manifest(job.id), tools.backup_status.results()[JobKind.BACKUP]

    assert job.result is not None
    assert (job.result["documents"], job.result["bytes"]) == (3, manifest.size)
    assert 0 < job.result["sent"] <= job.result["bytes"]
    assert job.progress.done == job.progress.total > 0
    assert (word["ok"], word["backup"], word["trigger"], word["mode"]) == (
        True,
        job.id,
        "request",
        "incremental",
    )
    assert {name: word[name] for name in ("documents", "points", "bytes", "sent")} == {
        name: job.result[name] for name in ("documents", "points", "bytes", "sent")
    }


def test_another_one_sends_only_what_changed(tools: InProcess, desk: Submissions, store: Store) -> None:
    ingested(tools, desk, *names(12))
    first = made(tools, desk)
    finished(tools, desk.delete_document(COLLECTION, "isle03").id)
    ingested(tools, desk, "since")
    gone = {blob.key for blob in blobs_of(tools, first)} - set(tools.blobs.keys(""))
    sent = store.parts

    second = made(tools, desk)

    assert (store.parts - sent).keys().isdisjoint(first.parts)
    assert first.parts.keys() & second.parts.keys()
    blobs = {blob.key: blob for blob in blobs_of(tools, second)}
    assert len(gone) == 3
    assert gone.isdisjoint(blobs)
    assert len({blob.stream for blob in blobs.values()}) == 2, "the earlier pack, and one more"
    for key, blob in blobs.items():
        assert bytes_of(tools, second, blob) == tools.blobs.get(key)


@pytest.mark.usefixtures("sliced")
def test_a_long_stream_is_one_however_it_was_kept_meanwhile(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PARTS_OPEN", 1)
    ingested(tools, desk, *names(60))

    manifest = made(tools, desk)

    assert max(len(stream.parts) for stream in manifest.streams) > 2
    assert len(manifest.streams) == len({stream.name for stream in manifest.streams})
    blobs = blobs_of(tools, manifest)
    assert [blob.key for blob in blobs] == sorted(blob.key for blob in blobs)
    assert len(blobs) == 180  # each document's source, text and passages


def test_a_full_one_sends_everything_again(tools: InProcess, desk: Submissions, store: Store) -> None:
    ingested(tools, desk, *names(3))
    made(tools, desk)
    sent = store.parts

    second = made(tools, desk, "full")

    assert (store.parts - sent).keys() == second.parts.keys()


def test_sources_may_stay_where_they_are(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(2))
    referenced = tools.settings.model_copy(update={"backup_sources": "referenced"})
    monkeypatch.setattr(tools, "_settings", referenced)

    manifest = made(tools, desk)

    assert [(blob.key.partition("/")[0], blob.stream) for blob in blobs_of(tools, manifest)] == [
        (folder, "") for folder in ("chunks", "sources", "texts") for _ in range(2)
    ]
    assert "only their names" in " ".join(manifest.missing)


def test_an_installation_without_anything_has_a_backup(tools: InProcess, desk: Submissions) -> None:
    tools.documents.drop_collection(COLLECTION)
    tools.documents.drop_collection(EMPTY)

    manifest = made(tools, desk)

    assert manifest.collections == ()
    assert tools.vault.newest().id == manifest.id
