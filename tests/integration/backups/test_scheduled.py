"""What beat asks for about backups becomes one job each, or none where none is to be made."""

from pathlib import Path
from time import time
from uuid import UUID

import pytest
from redis import Redis
from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.model import Document, Engine, Job, JobKind, Manifest, NewJob, SavedCollection, Stage
from rag.redis.schedule import EntryRecord, Run
from rag.settings import Settings
from tasks.app import app
from tasks.backups import scheduled
from tests.integration.conftest import send_to
from workers.tools import Tools

ENTRY, HOUR = "entry", 3600.0


@pytest.fixture
def bare(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Of an installation without documents; tasks work with them."""
    send_to(monkeypatch, valkey)
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    monkeypatch.setattr(app, "toolbox", tools, raising=False)
    return tools


@pytest.fixture
def tools(bare: Tools) -> Tools:
    """Of an installation that has a document."""
    collection, _ = bare.documents.put_collection("c", "m", 4)
    version = bare.documents.next_version("c", "d")
    published = Document(
        "d", "c", collection.generation, version, "f", "t", "text/plain", "s", "x", 1, 1, time(), time()
    )
    assert bare.documents.publish(published)
    return bare


def run(tools: Tools, task: str, run_id: str = "r1") -> str:
    """What the task says when beat sends it for this run."""
    tools.runs.swap(ENTRY, tools.runs.read()[1].get(ENTRY), EntryRecord(0.0, Run(run_id, 0.0, 0.0)))
    return str(getattr(scheduled, task)(ENTRY, run_id))


def is_done(tools: Tools) -> bool:
    return tools.runs.read()[1][ENTRY].run is None


def jobs(tools: Tools, kind: JobKind) -> list[Job]:
    return list(tools.jobs.page(kinds=[kind], collections=None, cursor=None, limit=10).items)


def backed_up(tools: Tools, *, ago: float = 0.0, documents: int = 1) -> str:
    """The id of a backup that is in the vault."""
    began, chance = time() - ago, uuid7().int & ((1 << 80) - 1)
    backup = str(UUID(int=int(began * 1000) << 80 | chance))
    collection = SavedCollection(
        "c", "c-1", 1, 0, "m", 4, None, began, 1, documents, documents, 0, "", {}, (), "documents", "golden"
    )
    engine = Engine("edge", "1")
    tools.vault.seal(
        Manifest(backup, began, began, "full", "schedule", "1", engine, "copied", (collection,), ())
    )
    return backup


def test_a_run_makes_one_job_however_often_it_is_sent(tools: Tools) -> None:
    words = [run(tools, "remove_old") for _ in range(2)]

    (job,) = jobs(tools, JobKind.PRUNE)
    assert words[0] == f"job {job.id}"
    assert is_done(tools)


def test_a_run_whose_job_is_over_makes_no_second_one(tools: Tools) -> None:
    run(tools, "back_up")
    (job,) = jobs(tools, JobKind.BACKUP)
    tools.jobs.cancel(job.id)

    assert run(tools, "back_up") == f"job {job.id}"

    assert len(jobs(tools, JobKind.BACKUP)) == 1


def test_a_full_backup_is_made_whatever_the_settings_say_of_others(tools: Tools) -> None:
    run(tools, "back_up_fully")

    (job,) = jobs(tools, JobKind.BACKUP)
    assert (tools.settings.backup_mode, job.inputs["mode"]) == ("incremental", "full")


def test_a_full_backup_is_asked_for_again_while_another_one_is_made(tools: Tools) -> None:
    run(tools, "back_up")
    (other,) = jobs(tools, JobKind.BACKUP)

    with pytest.raises(Unavailable, match="a full backup waits"):
        run(tools, "back_up_fully", "r2")
    assert not is_done(tools)
    tools.jobs.cancel(other.id)

    assert run(tools, "back_up_fully", "r2").startswith("job ")


def test_a_backup_is_made_as_the_settings_say(tools: Tools) -> None:
    run(tools, "back_up")

    (job,) = jobs(tools, JobKind.BACKUP)
    assert (job.stage, job.inputs) == (Stage.SNAPSHOT, {"mode": "incremental", "trigger": "schedule"})


@pytest.mark.parametrize("kind", [JobKind.BACKUP, JobKind.RESTORE])
@pytest.mark.parametrize("task", ["back_up", "make_up"])
def test_no_backup_is_begun_beside_another_or_a_restore(tools: Tools, kind: JobKind, task: str) -> None:
    backed_up(tools, ago=5 * HOUR)
    tools.jobs.accept(NewJob(str(uuid7()), kind, kind.first_stage({}), "", {}))

    assert run(tools, task) == f"not now: a {kind} is under way"

    assert len(jobs(tools, JobKind.BACKUP)) == (kind is JobKind.BACKUP)
    assert is_done(tools)


@pytest.mark.parametrize("task", ["verify", "rehearse", "make_up"])
def test_there_may_be_no_backup_yet(tools: Tools, task: str) -> None:
    assert run(tools, task) == "there is no backup yet"
    assert is_done(tools)


@pytest.mark.parametrize("kind", [JobKind.VERIFY, JobKind.REHEARSE])
def test_the_newest_backup_is_verified_and_rehearsed(tools: Tools, kind: JobKind) -> None:
    backed_up(tools, ago=HOUR)
    newest = backed_up(tools)

    run(tools, kind)

    (job,) = jobs(tools, kind)
    assert job.inputs["backup"] == newest


def test_a_backup_that_cannot_even_be_read_has_failed_its_verification(tools: Tools) -> None:
    backup = backed_up(tools)
    (tools.settings.home / "backups" / "manifests" / backup).write_bytes(b"{")

    word = run(tools, "verify")

    said = tools.backup_status.results()[JobKind.VERIFY]
    assert backup in word
    assert not said["ok"]
    assert backup in said["error"]
    assert is_done(tools)


def test_a_backup_that_is_late_is_made_up_for(tools: Tools) -> None:
    backed_up(tools, ago=3 * HOUR)

    run(tools, "make_up")

    assert len(jobs(tools, JobKind.BACKUP)) == 1


def test_a_backup_that_is_in_time_is_not(tools: Tools) -> None:
    backed_up(tools, ago=3 * HOUR)
    backed_up(tools)

    assert run(tools, "make_up") == "none is late"


@pytest.mark.parametrize("task", ["back_up", "make_up"])
def test_an_installation_that_lost_everything_waits_for_its_restore(bare: Tools, task: str) -> None:
    backup = backed_up(bare, ago=3 * HOUR)

    assert backup in run(bare, task)

    assert jobs(bare, JobKind.BACKUP) == []


def test_an_installation_that_never_had_a_document_is_saved(bare: Tools) -> None:
    backed_up(bare, ago=3 * HOUR, documents=0)

    run(bare, "back_up")

    assert len(jobs(bare, JobKind.BACKUP)) == 1


def test_a_task_that_fails_leaves_its_run_to_the_next_message(tools: Tools, redis_client: Redis) -> None:
    run(tools, "make_up", "r1")
    tools.runs.swap(ENTRY, tools.runs.read()[1][ENTRY], EntryRecord(0.0, Run("r2", 0.0, 0.0)))
    redis_client.rename("{aegis}:intact", "{aegis}:away")
    with pytest.raises(Unavailable):
        scheduled.back_up(ENTRY, "r2")
    assert not is_done(tools)
    redis_client.rename("{aegis}:away", "{aegis}:intact")

    assert run(tools, "back_up", "r2").startswith("job ")

    assert is_done(tools)
