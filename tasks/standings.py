"""The last word on each kind of work on backups, written wherever such a job ends."""

import logging
from time import time

from rag.errors import Transient
from rag.model import ABOUT_BACKUPS, Job, JobKind, JobState, Json
from rag.subjects import named
from tasks.problems import reason_of
from tasks.toolbox import Toolbox

log = logging.getLogger(__name__)


def note_standing(
    tools: Toolbox, job: Job, state: JobState, *, result: Json | None = None, error: Json | None = None
) -> None:
    """Note how a job about backups ended, with what its result says; nothing for any other job."""
    if job.kind not in ABOUT_BACKUPS or state is JobState.CANCELLED:
        return
    try:
        tools.standing.note(job.kind, _word(job, state, result=result, error=error))
    except Transient as away:
        log.warning("%s: how it ended is not shown: %s", named(job), away)


def _word(job: Job, state: JobState, *, result: Json | None, error: Json | None) -> Json:
    """``reason``: the class of an error, a code of ``rag.errors``."""
    now = time()
    backup = job.id if job.kind is JobKind.BACKUP else job.inputs.get("backup", "")
    told: Json = {name: job.inputs[name] for name in ("mode", "trigger") if name in job.inputs}
    failure: Json = {"error": error["detail"], "reason": reason_of(error)} if error else {}
    return {
        **told,
        **(result or {}),
        **failure,
        "at": now,
        "job": job.id,
        "backup": backup,
        "ok": state is JobState.SUCCEEDED,
        "seconds": round(now - (job.started_at or job.created_at), 3),
    }
