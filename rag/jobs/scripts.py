"""What all parts of the store share: the connection, the scripts, the keys, and how records are read.

A record is what a script returns for a job. It is turned into a ``Job`` here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

from redis import Redis

from rag.errors import Conflict, NotFound
from rag.model import EventKind, Job, JobEvent, JobKind, JobState, Json, Progress, Stage, Standing
from rag.model.bounds import encoded
from rag.model.statistics import JOB_LIMITS, STAGE_LIMITS
from rag.redis.connection import PREFIX, Scripts
from rag.settings import Settings

GRACE = 7 * 86400.0
"""Seconds for which Redis keeps an ended job's record beyond the time after which it is pruned."""

MARGIN = 300.0
"""Seconds for which a lease of a stage about backups lasts beyond the time limit of its task."""

EVENTS = 600.0
"""Seconds for which the events of a job that is over can still be read one by one."""

JOB_ID = re.compile(r"[A-Za-z0-9-]{0,64}\Z")
"""What an id may consist of. With other characters it could name the key of another record."""

Fields = Mapping[str, str]
Record = tuple[Sequence[bytes], int | None, int | None]
"""What the scripts return for a job: names and values in turn, its place in the queue, from 0, and its place
among its owner's jobs where several owners take turns."""

Entry = tuple[bytes, Mapping[bytes, bytes]]
"""An entry of an event stream: its id and its fields."""

_SECONDS = "t:"


class JobScripts:
    """Runs ``jobs.lua`` in ``client``'s database. ``fenced`` False: for the rebuild of lost records."""

    def __init__(self, client: Redis, settings: Settings, *, fenced: bool = True) -> None:
        self._client = client
        limits = {"stage_limits": STAGE_LIMITS, "job_limits": JOB_LIMITS}
        self._scripts = Scripts(client, "jobs/jobs", fenced=fenced, numbers=limits)
        self._retention = settings.job_retention_hours * 3600
        self._dead_letters = settings.dead_letter_days * 86400
        self._idempotency = settings.idempotency_hours * 3600
        self._most_owned = settings.max_open_jobs_per_key or ""
        self._stale = settings.stale_lease_seconds
        self._stale_about_backups = max(self._stale, settings.backup_stage_timeout + MARGIN)

    def _on(self, script: str, job_id: str, *args: str | bytes | float) -> Any:
        """Run ``script`` on one job."""
        return self._scripts.run(script, [job_key(job_id)], job_id, *args)

    def _expiry(self, state: JobState) -> tuple[float, float, float]:
        """Seconds until the artefacts, the events and the record of a job that ended in ``state`` expire."""
        kept = self._dead_letters if state is JobState.DEAD else self._retention
        return kept, min(EVENTS, kept), kept + GRACE


def changed(job_id: str, answer: list[Any], why_not: str) -> Job:
    """The job after a change, from the script's answer. NotFound; Conflict where the script refused it."""
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


def call_token() -> str:
    """A unique token for one call, so that a script recognises when it runs twice for the same call."""
    return uuid4().hex


def job_key(job_id: str) -> str:
    """The key of a job's record. NotFound for text that cannot be the id of a job."""
    if not JOB_ID.match(job_id):
        raise NotFound("there is no such job: an id has letters, digits and dashes")
    return f"{PREFIX}job:{job_id}"


def batch_key(batch_id: str) -> str:
    """The key of a batch's record. NotFound for text that cannot be the id of a batch."""
    if not JOB_ID.match(batch_id):
        raise NotFound("there is no such batch: an id has letters, digits and dashes")
    return f"{PREFIX}bulk:{batch_id}"


def index_key(state: JobState, kind: JobKind) -> str:
    return f"{PREFIX}jobs:{state}:{kind}"


def idempotency_record(key: str) -> str:
    """The key of the record of an Idempotency-Key."""
    return f"{PREFIX}idempotency:{sha256(key.encode()).hexdigest()}"


def dumped(value: Json | None) -> str:
    """JSON text; "" for None. Raises ValueError for NaN and infinities."""
    return "" if value is None else encoded(value).decode()


def fields_of(record: Record) -> Fields:
    pairs, *_ = record
    return {name.decode(): value.decode() for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


def job_of(record: Record) -> Job:
    fields, place = fields_of(record), record[1]
    return Job(
        id=fields["id"],
        kind=JobKind(fields["kind"]),
        state=JobState(fields["state"]),
        stage=Stage(fields["stage"]),
        collection=fields["collection"],
        inputs=json.loads(fields["inputs"]),
        created_at=float(fields["created_at"]),
        queued_at=float(fields["queued_at"]),
        trace=fields.get("trace"),
        owner=fields.get("owner", ""),
        batch=fields.get("batch", ""),
        started_at=_seconds(fields, "started_at"),
        finished_at=_seconds(fields, "finished_at"),
        deadline=_seconds(fields, "deadline"),
        attempts=int(fields["attempts"]),
        token=int(fields["token"]),
        retries=int(fields.get("retries", 0)),
        reason=fields.get("reason"),
        progress=Progress(int(fields.get("done", 0)), int(fields.get("total", 0))),
        queue_position=None if place is None else place + 1,
        result=_json(fields, "result"),
        error=_json(fields, "error"),
        timings={
            name.removeprefix(_SECONDS): float(value)
            for name, value in fields.items()
            if name.startswith(_SECONDS)
        },
        standing=_standing(fields, record[2]),
    )


def _standing(fields: Fields, own_place: int | None) -> Standing:
    return Standing(
        own_place=None if own_place is None else own_place + 1,
        ready_at=_seconds(fields, "ready_at"),
        waits_for=fields.get("waits_for", ""),
        failing_since=_seconds(fields, "failing_since"),
        worker=fields.get("holder", "").partition(":")[0],
        renewed_at=_seconds(fields, "seen"),
        lease=_seconds(fields, "lease"),
    )


def event_of(entry: Entry) -> JobEvent:
    event_id, fields = entry
    return JobEvent(
        id=event_id.decode(), kind=EventKind(fields[b"kind"].decode()), data=json.loads(fields[b"data"])
    )


def _seconds(fields: Fields, name: str) -> float | None:
    return float(fields[name]) if name in fields else None


def _json(fields: Fields, name: str) -> Any:
    return json.loads(fields[name]) if name in fields else None
