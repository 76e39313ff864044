"""Points are read from the engine once: later backups have them from the packs of earlier ones."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from rag.backups import packs
from rag.backups.digest import digests
from rag.backups.packs import OpenBackup, Unpacking
from rag.backups.points import unpacked
from rag.model import JobState, Manifest
from tasks.backups import saved_points
from tasks.submit.submissions import Change, Submissions
from tests.contents import total
from tests.deliveries import finished
from tests.integration.backups.making import (
    COLLECTION,
    brought,
    documents_of,
    ingested,
    made,
    names,
    saved,
)
from tests.integration.inprocess import InProcess
from tests.integration.installations import points_in


@pytest.fixture
def read(tools: InProcess, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the documents whose points were asked for, in order, since it was cleared."""
    asked: list[str] = []
    real = saved_points.Points._window

    def window(self: saved_points.Points, versions: Sequence, after: str | None) -> object:
        asked.extend(each.document_id for each in versions)
        return real(self, versions, after)

    monkeypatch.setattr(saved_points.Points, "_window", window)
    return asked


def is_whole(tools: InProcess, manifest: Manifest) -> bool:
    """Whether the backup has the points of every document, as they are in the engine."""
    unpacking, book = Unpacking(OpenBackup(tools.vault, manifest)), saved(manifest)
    blobs = [blob for each in documents_of(tools, manifest) for blob in each.blobs]
    copy = total(digests(point for blob in blobs for point in unpacked(unpacking.get(blob))))
    live = total(digests(points_in(tools.vectors, book.store)))
    sizes = {name: sum(blob.size for blob in blobs if blob.stream == name) for name in book.packs}
    assert sizes == book.packs
    return copy == live and str(live) == book.digest


def test_what_is_new_is_read_and_nothing_else(tools: InProcess, desk: Submissions, read: list[str]) -> None:
    ingested(tools, desk, *names(6))
    first = made(tools, desk)
    read.clear()
    finished(tools, brought(desk, "isle02", "The buoy of isle02 is striped."))
    finished(tools, desk.delete_document(COLLECTION, "isle04").id)
    ingested(tools, desk, "since")

    second = made(tools, desk)

    assert read == ["isle02", "since"]
    assert is_whole(tools, second)
    assert saved(first).packs.keys() < saved(second).packs.keys()
    read.clear()
    third = made(tools, desk)
    assert read == []
    assert saved(third).packs == saved(second).packs


def test_a_changed_title_is_a_new_version(tools: InProcess, desk: Submissions, read: list[str]) -> None:
    ingested(tools, desk, "isle00", "isle01")
    made(tools, desk)
    read.clear()
    document = tools.documents.get(COLLECTION, "isle01")
    assert document is not None
    job = desk.changes.change(document, Change("Buoys", {"year": 2026}), owner="ann").job
    assert finished(tools, job.id).state is JobState.SUCCEEDED

    assert is_whole(tools, made(tools, desk))
    assert read == ["isle01"]


def test_many_thin_packs_become_one(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "THIN_PACKS", 3)
    manifests = []
    for name in names(6):
        ingested(tools, desk, name)
        manifests.append(made(tools, desk))

    assert [len(saved(each).packs) for each in manifests] == [1, 2, 3, 4, 1, 2]
    assert all(is_whole(tools, each) for each in manifests[-1:])


def test_a_pack_that_is_gone_is_read_again(tools: InProcess, desk: Submissions, read: list[str]) -> None:
    ingested(tools, desk, "isle00")
    first = made(tools, desk)
    (pack,) = saved(first).packs
    (tools.settings.home / "backups" / first.stream(pack).parts[0].key).unlink()
    read.clear()

    second = made(tools, desk)

    assert read == ["isle00"]
    assert pack not in saved(second).packs
    assert is_whole(tools, second)


def test_documents_of_an_earlier_backup_that_cannot_be_read_stop_none(
    tools: InProcess, desk: Submissions, read: list[str]
) -> None:
    ingested(tools, desk, *names(3))
    first = made(tools, desk)
    for part in first.stream(saved(first).documents_stream).parts:
        (tools.settings.home / "backups" / part.key).write_bytes(b"damaged")
    read.clear()

    assert is_whole(tools, made(tools, desk))
    assert read == names(3)


@pytest.mark.usefixtures("sliced")
def test_a_document_of_many_points_is_packed_a_piece_at_a_time(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_points, "POINTS_A_BLOB", 10)
    monkeypatch.setattr(saved_points, "_BATCH_POINTS", 10)
    monkeypatch.setattr(saved_points, "_PAGE", 4)
    monkeypatch.setattr("tasks.backups.upload._MB", 4_000)
    ingested(tools, desk, "isle00")
    text = "\n".join(f"The {number}th buoy has a bell of its own." for number in range(95))
    finished(tools, brought(desk, "isle01", text))
    ingested(tools, desk, "isle02")

    manifest = made(tools, desk)

    assert is_whole(tools, manifest)
    (long,) = [each for each in documents_of(tools, manifest) if each.document.document_id == "isle01"]
    assert len(long.blobs) >= 8
    assert len({blob.stream for blob in long.blobs}) > 2
    assert all(one.stream != other.stream or one.offset < other.offset for one, other in pairwise(long.blobs))


def test_points_that_the_engine_lost_stay_in_later_backups_and_are_told(
    tools: InProcess, desk: Submissions, past: None
) -> None:
    ingested(tools, desk, "isle00", "isle01")
    first = made(tools, desk)
    tools.vectors.delete(saved(first).store, "isle00")

    second = made(tools, desk)

    assert (saved(second).digest, saved(second).packs) == (saved(first).digest, saved(first).packs)
    assert (saved(second).documents, saved(second).late, saved(second).lacking) == (2, 0, 1)
    assert "lost points of at least 1 document" in " ".join(second.missing)
