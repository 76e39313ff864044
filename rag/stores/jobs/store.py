"""``JobStore`` on Redis; every method that changes something is one script, so one step."""

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import product
from typing import cast
from uuid import uuid4

from redis import Redis

from rag.errors import Conflict, IdempotencyMismatch, InvalidRequest, NotFound
from rag.model import (
    EventKind,
    Job,
    JobEvent,
    JobKind,
    JobState,
    Json,
    Lease,
    NewJob,
    Progress,
    Stage,
)
from rag.ports import Accepted, Window
from rag.settings import Settings
from rag.stores.jobs.record import Entry, Record, dumped, event_of, job_of
from rag.stores.redis import PREFIX, Scripts, reaching_redis

_EVENT_ID = re.compile(r"\d{1,20}(-\d{1,20})?\Z")
_OVER = tuple(state for state in JobState if state.final)
_LOOKS = 500
"""Records that one step of a filtered listing looks at: about a millisecond of the server."""
_GRACE = 7 * 86400.0


class RedisJobStore:
    """Job records in ``client``'s database; ``lua/jobs/_head.lua`` lists the keys.

    All times are the server's. A script whose answer was lost may run twice: the second
    run changes nothing and answers as the first one did.

    Artefacts of a job that succeeded go at once, of another when its retention is over;
    records and events are pruned, and go by themselves a week later if nobody does.
    """

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._scripts = Scripts(client, "jobs")
        self._retention = settings.job_retention_hours * 3600
        self._idempotency = settings.idempotency_hours * 3600

    # --- a submit

    def accept(self, job: NewJob, *, idempotency_key: str | None = None, body_digest: str = "") -> Accepted:
        keys = [_key(job.id)]
        if idempotency_key is not None:
            keys.append(f"{PREFIX}idempotency:{sha256(idempotency_key.encode()).hexdigest()}")
        answer = self._scripts.run(
            "accept",
            keys,
            job.id,
            job.kind,
            job.stage,
            job.collection,
            dumped(job.inputs),
            "" if job.deadline is None else job.deadline,
            body_digest,
            self._idempotency,
        )
        if answer[0] == b"mismatch":
            raise IdempotencyMismatch("use a new Idempotency-Key for a new body")
        return Accepted(job=job_of(answer[1]), new=answer[0] == b"new")

    # --- a worker, under a lease

    def begin(self, job_id: str, stage: Stage, *, lease_seconds: float) -> Lease | None:
        record = self._scripts.run("begin", [_key(job_id)], job_id, stage, lease_seconds, uuid4().hex)
        if not record:
            return None
        job = job_of(record)
        return Lease(job=job, token=job.token)

    def extend(self, lease: Lease, *, lease_seconds: float) -> bool:
        return self._held("extend", lease, lease_seconds)

    def progress(self, lease: Lease, progress: Progress) -> bool:
        return self._held("progress", lease, progress.done, progress.total)

    def emit(self, lease: Lease, kind: EventKind, data: Json) -> bool:
        return self._held("emit", lease, kind, dumped(data), uuid4().hex)

    def advance(self, lease: Lease, stage: Stage, *, seconds: float) -> bool:
        return self._held("advance", lease, stage, seconds)

    def requeue(self, lease: Lease, *, error: Json) -> bool:
        return self._held("requeue", lease, dumped(error))

    def finish(
        self,
        lease: Lease,
        state: JobState,
        *,
        seconds: float = 0.0,
        result: Json | None = None,
        error: Json | None = None,
    ) -> bool:
        if not state.final:
            raise ValueError(f"a job does not end as {state}")
        return self._held("finish", lease, state, seconds, dumped(result), dumped(error), *self._keeping)

    def put_artefact(self, lease: Lease, name: str, data: bytes) -> bool:
        return self._held("put_artefact", lease, name, data)

    def artefact(self, job_id: str, name: str) -> bytes:
        with reaching_redis():
            data = self._client.hget(f"{_key(job_id)}:artefacts", name)
        if data is None:
            raise NotFound(f"job {job_id} keeps no {name}: it was never stored, or the job ended long ago")
        return cast(bytes, data)

    def _held(self, script: str, lease: Lease, *args: str | bytes | float) -> bool:
        return bool(self._scripts.run(script, [_key(lease.job.id)], lease.job.id, lease.token, *args))

    @property
    def _keeping(self) -> tuple[float, float]:
        return self._retention, self._retention + _GRACE

    # --- a client

    def get(self, job_id: str) -> Job | None:
        record = self._scripts.run("get", [_key(job_id)], job_id)
        return job_of(record) if record else None

    def page(
        self,
        *,
        state: JobState | None,
        kind: JobKind | None,
        collections: Sequence[str] | None,
        cursor: str | None,
        limit: int,
    ) -> Window[Job]:
        if collections is not None and not collections:
            return Window(items=(), next=None)
        states, kinds = [state] if state else list(JobState), [kind] if kind else list(JobKind)
        indexes = [_index(*each) for each in product(states, kinds)]
        looks = limit + 1 if collections is None else max(limit + 1, _LOOKS)
        jobs: list[Job] = []
        after = cursor or ""
        while len(jobs) < limit:
            records, last = self._scripts.run(
                "page", indexes, "", after, limit - len(jobs), looks, *(collections or ())
            )
            jobs += map(job_of, records)
            after = last.decode() if last else ""
            if not after:
                break
        return Window(items=tuple(jobs), next=after or None)

    def cancel(self, job_id: str) -> Job:
        outcome, *record = self._scripts.run("cancel", [_key(job_id)], job_id, *self._keeping)
        return self._changed(job_id, outcome, record, "it is over already")

    def retry(self, job_id: str) -> Job:
        outcome, *record = self._scripts.run("retry", [_key(job_id)], job_id)
        return self._changed(job_id, outcome, record, "only failed, dead and cancelled jobs are run again")

    @staticmethod
    def _changed(job_id: str, outcome: bytes, record: list[Record], why_not: str) -> Job:
        if outcome == b"missing":
            raise NotFound(f"there is no job {job_id}")
        job = job_of(record[0])
        if outcome != b"done":
            raise Conflict(f"job {job_id} is {job.state}: {why_not}")
        return job

    def events(self, job_id: str, *, after: str | None = None) -> list[JobEvent]:
        if after is not None and not _EVENT_ID.match(after):
            raise InvalidRequest(f"{after[:40]!r} is not the id of an event of this service")
        with reaching_redis():
            entries = self._client.xrange(f"{_key(job_id)}:events", min=f"({after}" if after else "-")
        return [event_of(entry) for entry in cast(list[Entry], entries)]

    # --- the sweeper

    def overdue(self, *, queued_before: float, limit: int) -> list[Job]:
        return [job_of(r) for r in self._scripts.run("overdue", [PREFIX], "", queued_before, limit)]

    def touch(self, job_id: str) -> None:
        self._scripts.run("touch", [_key(job_id)], job_id)

    def depth(self, stage: Stage) -> int:
        with reaching_redis():
            return self._client.zcard(f"{PREFIX}waiting:{stage}")

    def prune(self, *, finished_before: float, limit: int) -> list[Job]:
        indexes = [_index(*each) for each in product(_OVER, JobKind)]
        return [job_of(r) for r in self._scripts.run("prune", indexes, "", finished_before, limit)]

    def counts(self) -> dict[JobState, int]:
        keys = list(product(JobState, JobKind))
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            for state, kind in keys:
                pipeline.zcard(_index(state, kind))
            sizes = dict(zip(keys, pipeline.execute(), strict=True))
        return {state: sum(sizes[state, kind] for kind in JobKind) for state in JobState}

    def ping(self) -> None:
        with reaching_redis():
            self._client.ping()


def _key(job_id: str) -> str:
    return f"{PREFIX}job:{job_id}"


def _index(state: JobState, kind: JobKind) -> str:
    return f"{PREFIX}jobs:{state}:{kind}"
