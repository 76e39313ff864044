"""What all of the store's parts share: the connection, the scripts, the names of keys, the times to keep."""

import re
from hashlib import sha256
from typing import Any
from uuid import uuid4

from redis import Redis

from rag.errors import Conflict, NotFound
from rag.model import ABOUT_BACKUPS, Job, JobKind, JobState
from rag.settings import Settings
from rag.stores.jobs.record import Record, job_of
from rag.stores.redis import PREFIX, Scripts

GRACE = 7 * 86400.0
"""Seconds after which an ended job's record goes by itself, beyond the time that it is kept."""

MARGIN = 300.0
"""Seconds for which a stage about backups is still held after its task was to be ended."""

EVENTS = 600.0
"""Seconds for which the events of a job that is over can be read again one by one."""


JOB_ID = re.compile(r"[A-Za-z0-9-]{0,64}\Z")
"""What may stand in a key: with other characters an id would name what belongs to another record."""


class JobScripts:
    """``lua/jobs/*.lua`` in ``client``'s database; ``fenced`` False: for whoever brings lost records back."""

    def __init__(self, client: Redis, settings: Settings, *, fenced: bool = True) -> None:
        self._client = client
        self._scripts = Scripts(client, "jobs", fenced=fenced)
        self._retention = settings.job_retention_hours * 3600
        self._dead_letters = settings.dead_letter_days * 86400
        self._idempotency = settings.idempotency_hours * 3600
        self._most_owned = settings.max_open_jobs_per_key or ""
        self._stale = settings.stale_lease_seconds
        self._stale_about_backups = max(self._stale, settings.backup_stage_timeout + MARGIN)

    def _held_at_most(self, kind: JobKind) -> float:
        """Seconds after which a stage is taken from a worker that still shows signs of life."""
        return self._stale_about_backups if kind in ABOUT_BACKUPS else self._stale

    def _on(self, script: str, job_id: str, *args: str | bytes | float) -> Any:
        """Run ``script`` on one job."""
        return self._scripts.run(script, [job_key(job_id)], job_id, *args)

    def _keeping(self, state: JobState) -> tuple[float, float, float]:
        """Seconds to keep the artefacts, the events and the record of a job that ended in ``state``."""
        kept = self._dead_letters if state is JobState.DEAD else self._retention
        return kept, min(EVENTS, kept), kept + GRACE


def changed(job_id: str, answer: list[Any], why_not: str) -> Job:
    """The record after a change. NotFound; Conflict where the script refused it."""
    outcome, *records = answer
    if outcome == b"missing":
        raise NotFound(f"there is no job {job_id}")
    record: Record = records[0]
    job = job_of(record)
    if outcome == b"tidied":
        raise Conflict(f"what job {job_id} left is being removed: try again in a moment")
    if outcome != b"done":
        raise Conflict(f"job {job_id} is {job.state}: {why_not}")
    return job


def only_word() -> str:
    """Tells a call from every other one, so that a script that runs twice for it is recognised."""
    return uuid4().hex


def job_key(job_id: str) -> str:
    """The key of a job's record. NotFound for what cannot be the id of a job."""
    if not JOB_ID.match(job_id):
        raise NotFound("there is no such job: an id has letters, digits and dashes")
    return f"{PREFIX}job:{job_id}"


def index_key(state: JobState, kind: JobKind) -> str:
    return f"{PREFIX}jobs:{state}:{kind}"


def idempotency_record(key: str) -> str:
    """The name of the record of an Idempotency-Key."""
    return f"{PREFIX}idempotency:{sha256(key.encode()).hexdigest()}"
