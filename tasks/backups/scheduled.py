"""The tasks of the backup schedule: each submits a job at its time.

Beat sends a run again until its task has reported its end, so a task that fails is repeated. The run's id is
the job's Idempotency-Key: however often the run is sent, it makes one job.
"""

import logging
from collections.abc import Callable
from time import time

from celery import Task

from rag.errors import BackupError, NotFound, Unavailable
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
"""How long after its time a backup counts as missed if there is none."""

Duty = Callable[[Toolbox, Idempotency], str]

log = logging.getLogger(__name__)


def promised(name: str) -> Callable[[Duty], "Task[[str, str], str]"]:
    """Register a function as the task of a promised entry of the schedule."""

    def register(duty: Duty) -> "Task[[str, str], str]":
        @app.task(name=f"aegis.maintenance.backups.{name}")
        def run(entry: str, run_id: str) -> str:
            tools = app.toolbox
            answer = duty(tools, Idempotency(f"schedule:{run_id}", ""))
            # Until this is recorded, beat sends the run again.
            tools.runs.end_run(entry, run_id)
            return answer

        run.__doc__ = duty.__doc__
        return run

    return register


@promised("back_up")
def back_up(tools: Toolbox, once: Idempotency) -> str:
    """Submit a backup."""
    return _submit_backup(tools, once)


@promised("back_up_fully")
def back_up_fully(tools: Toolbox, once: Idempotency) -> str:
    """Submit a full backup. Raises Unavailable while another one is made, so that beat asks for it again."""
    if reason := _why_not(tools, JobKind.BACKUP, JobKind.RESTORE):
        raise Unavailable(f"a full backup waits, {reason}")
    return _awaits_restore(tools) or _answer(_submissions(tools).back_up("full", "schedule", once))


@promised("make_up")
def make_up(tools: Toolbox, once: Idempotency) -> str:
    """Submit a backup if one was missed, as the time of the newest one tells.

    The reason may be a job that failed, or a schedule that was lost with Redis. The very first backup waits
    for its time.
    """
    newest = next(iter(tools.vault.backups()), None)
    if newest is None:
        return "there is no backup yet"
    due = next_time(tools.settings.backup_schedule, made_at(newest))
    return "none is late" if time() < due + LATE_SECONDS else _submit_backup(tools, once)


@promised("verify")
def verify(tools: Toolbox, once: Idempotency) -> str:
    """Submit a verification of the newest backup."""
    return _submit_about_newest(tools, JobKind.VERIFY, _submissions(tools).verify, once)


@promised("rehearse")
def rehearse(tools: Toolbox, once: Idempotency) -> str:
    """Submit a rehearsal of the newest backup."""
    return _submit_about_newest(tools, JobKind.REHEARSE, _submissions(tools).rehearse, once)


@promised("remove_old")
def remove_old(tools: Toolbox, once: Idempotency) -> str:
    """Submit a prune of the backups that need not be kept."""
    return _why_not(tools, JobKind.PRUNE) or _answer(_submissions(tools).prune(once))


def _submit_backup(tools: Toolbox, once: Idempotency) -> str:
    reason = _why_not(tools, JobKind.BACKUP, JobKind.RESTORE) or _awaits_restore(tools)
    return reason or _answer(_submissions(tools).back_up(tools.settings.backup_mode, "schedule", once))


def _why_not(tools: Toolbox, *kinds: JobKind) -> str | None:
    """Why no job is submitted while one of ``kinds`` is open; None if none is."""
    figures = tools.jobs.figures().open
    busy = [kind.value for kind in kinds if figures.get(kind)]
    return f"not now: a {busy[0]} is under way" if busy else None


def _awaits_restore(tools: Toolbox) -> str | None:
    """Why an installation without documents is not saved, if the newest backup has documents; else None.

    The backup would become the newest one, and be restored in the place of what was lost.
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


def _submit_about_newest(
    tools: Toolbox, kind: JobKind, submit: Callable[[str, Idempotency], Accepted], once: Idempotency
) -> str:
    """If the newest backup cannot even be opened, its verification or rehearsal counts as failed."""
    if reason := _why_not(tools, kind):
        return reason
    try:
        return _answer(submit(LATEST, once))
    except NotFound:
        return "there is no backup yet"
    except BackupError as error:
        note = {"at": time(), "backup": "", "ok": False, "seconds": 0.0}
        tools.backup_status.note(kind, {**note, "error": str(error), "reason": error.code})
        return f"failed: {error}"


def _answer(accepted: Accepted) -> str:
    return f"job {accepted.job.id}"


def _submissions(tools: Toolbox) -> BackupSubmissions:
    acceptance = Acceptance(tools.jobs, tools.blobs, announce, most_open={})
    return BackupSubmissions(tools.vault, tools.jobs, tools.documents, acceptance)
