"""What beat has done about backups: jobs handed in at their times.

Beat sends a run again until its task has said that it is done, so a task that fails is repeated, and
what it hands in carries the run's id as its Idempotency-Key: however often it is sent, one job is made.
"""

import logging
from collections.abc import Callable
from time import time

from celery import Task

from rag.errors import BackupError, NotFound
from rag.journal.entries import made_at
from rag.model import LATEST, JobKind
from rag.ports import Accepted
from rag.settings.cron import next_time
from tasks.app import app
from tasks.publishing.bells import announce
from tasks.submit.acceptance import Acceptance
from tasks.submit.backups import BackupSubmissions
from tasks.submit.requests import Idempotency
from tasks.toolbox import Toolbox

LATE_SECONDS = 600.0
"""After its time, a backup of which there is no trace did not happen."""

Duty = Callable[[Toolbox, Idempotency], str]

log = logging.getLogger(__name__)


def promised(name: str) -> Callable[[Duty], "Task[[str, str], str]"]:
    """Make the task of a promised entry of the schedule from the function that does its duty."""

    def register(duty: Duty) -> "Task[[str, str], str]":
        @app.task(name=f"aegis.maintenance.backups.{name}")
        def run(entry: str, run_id: str) -> str:
            tools = app.toolbox
            word = duty(tools, Idempotency(f"schedule:{run_id}", ""))
            tools.runs.end_run(entry, run_id)
            return word

        run.__doc__ = duty.__doc__
        return run

    return register


@promised("back_up")
def back_up(tools: Toolbox, once: Idempotency) -> str:
    """Hand in a backup."""
    return _backed_up(tools, once)


@promised("make_up")
def make_up(tools: Toolbox, once: Idempotency) -> str:
    """Hand in the backup that was to be made, where the newest one tells that it was not.

    Whatever the reason: a job that failed, a schedule that went with Redis. The very first one waits
    for its time.
    """
    newest = next(iter(tools.vault.backups()), None)
    if newest is None:
        return "there is no backup yet"
    due = next_time(tools.settings.backup_schedule, made_at(newest))
    return "none is late" if time() < due + LATE_SECONDS else _backed_up(tools, once)


@promised("verify")
def verify(tools: Toolbox, once: Idempotency) -> str:
    """Hand in the verification of the newest backup."""
    return _about_the_newest(tools, JobKind.VERIFY, _desk(tools).verify, once)


@promised("rehearse")
def rehearse(tools: Toolbox, once: Idempotency) -> str:
    """Hand in the rehearsal of the newest backup."""
    return _about_the_newest(tools, JobKind.REHEARSE, _desk(tools).rehearse, once)


@promised("remove_old")
def remove_old(tools: Toolbox, once: Idempotency) -> str:
    """Hand in the removal of the backups that need not be kept."""
    return _held_back(tools, JobKind.PRUNE) or _handed_in(_desk(tools).prune(once))


def _backed_up(tools: Toolbox, once: Idempotency) -> str:
    reason = _held_back(tools, JobKind.BACKUP, JobKind.RESTORE) or _awaits_restore(tools)
    return reason or _handed_in(_desk(tools).back_up(tools.settings.backup_mode, "schedule", once))


def _held_back(tools: Toolbox, *kinds: JobKind) -> str | None:
    """Why no job is handed in while one of ``kinds`` is open; None where none is."""
    figures = tools.jobs.figures().open
    busy = [kind.value for kind in kinds if figures.get(kind)]
    return f"not now: a {busy[0]} is under way" if busy else None


def _awaits_restore(tools: Toolbox) -> str | None:
    """Why nothing is saved of an installation without documents, where the newest backup has some.

    It would be the newest one itself, and be restored in the place of what was lost.
    """
    if any(collection.documents for collection in tools.documents.collections()):
        return None
    try:
        newest = tools.vault.newest()
    except NotFound:
        return None
    except BackupError as error:
        return f"there are no documents here to save, and a backup that cannot be read: {error}"
    if not newest.has_documents:
        return None
    log.warning("there are no documents here, and backup %s has some: aegis restore %s", newest.id, newest.id)
    return f"there are no documents here to save, and backup {newest.id} has some"


def _about_the_newest(
    tools: Toolbox, kind: JobKind, ask: Callable[[str, Idempotency], Accepted], once: Idempotency
) -> str:
    """A newest backup that cannot even be asked about has failed."""
    if reason := _held_back(tools, kind):
        return reason
    try:
        return _handed_in(ask(LATEST, once))
    except NotFound:
        return "there is no backup yet"
    except BackupError as error:
        tools.backup_status.note(
            kind,
            {
                "at": time(),
                "backup": "",
                "ok": False,
                "seconds": 0.0,
                "error": str(error),
                "reason": error.code,
            },
        )
        return f"failed: {error}"


def _handed_in(accepted: Accepted) -> str:
    return f"job {accepted.job.id}"


def _desk(tools: Toolbox) -> BackupSubmissions:
    acceptance = Acceptance(tools.jobs, tools.blobs, announce, most_open={})
    return BackupSubmissions(tools.vault, tools.jobs, tools.documents, acceptance)
