"""What becomes of later backups when something of an earlier one, or of the engine, is damaged."""

from time import time

from rag.backups import contents
from rag.model import JobKind, JobState
from tasks.submit.submissions import Submissions
from tests.deliveries import finished
from tests.integration.backups.making import COLLECTION, asked, blobs_of, ingested, made, saved
from tests.integration.inprocess import InProcess


def test_damage_that_was_found_is_mended_once(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first = made(tools, desk)
    word = {"at": time() - 1, "backup": first.id, "ok": False, "seconds": 1.0, "reason": "damaged-backup"}
    tools.backup_status.note(JobKind.VERIFY, word)

    assert [made(tools, desk).mode for _ in range(2)] == ["full", "incremental"]


def test_damage_is_remembered_whatever_is_said_of_others(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first, second = made(tools, desk), made(tools, desk)
    word = {"at": time(), "backup": second.id, "ok": False, "seconds": 1.0, "reason": "damaged-backup"}
    tools.backup_status.note(JobKind.VERIFY, word)
    assert finished(tools, desk.backups.verify(first.id).job.id).state is JobState.SUCCEEDED

    assert tools.backup_status.damages().keys() == {second.id}
    assert made(tools, desk).mode == "full"

    assert finished(tools, desk.backups.verify(second.id).job.id).state is JobState.SUCCEEDED
    assert tools.backup_status.damages() == {}


def test_a_backup_that_cannot_be_read_stops_none(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first = made(tools, desk)
    for part in first.stream(contents.BLOBS).parts:
        (tools.settings.home / "backups" / part.key).unlink()

    second = made(tools, desk)

    assert {blob.stream for blob in blobs_of(tools, second)} == {f"blobs/{second.id}-0"}


def test_what_is_gone_of_an_earlier_backup_is_sent_again(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    first = made(tools, desk)
    pack = next(stream for stream in first.streams if stream.name.startswith("blobs/"))
    gone = tools.settings.home / "backups" / pack.parts[0].key
    gone.unlink()

    second = made(tools, desk)

    assert gone.exists()
    assert not {stream.name for stream in second.streams} & {pack.name}
    assert finished(tools, desk.backups.verify(second.id).job.id).state is JobState.SUCCEEDED


def test_points_that_the_engine_lost_are_told(tools: InProcess, desk: Submissions, past: None) -> None:
    ingested(tools, desk, "isle00", "isle01")
    store = tools.documents.collection(COLLECTION)
    assert store is not None
    tools.vectors.delete(store.store, "isle00")

    job = finished(tools, asked(desk))

    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    manifest = tools.vault.manifest(job.id)
    book = saved(manifest)
    assert (book.documents, book.late, book.lacking) == (1, 1, 1)
    assert job.result["lacking"] == 1
    assert manifest.missing == ("collection handbook: the engine has lost points of at least 1 document",)
    assert tools.backup_status.results()[JobKind.BACKUP]["lacking"] == 1
