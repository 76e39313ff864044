"""``JobStore`` on Redis: how jobs are accepted, listed, and changed by clients. The rest is mixed in."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import time
from typing import cast

from rag.errors import IdempotencyMismatch, InvalidCursor, Overloaded
from rag.jobs.events import Events
from rag.jobs.leases import Work
from rag.jobs.scripts import (
    JOB_ID,
    Record,
    call_token,
    changed,
    dumped,
    idempotency_record,
    index_key,
    job_key,
    job_of,
)
from rag.jobs.statistics import Statistics
from rag.jobs.upkeep import Sweeping
from rag.model import Job, JobKind, JobState, NewJob
from rag.ports import Accepted, Window
from rag.redis.connection import PREFIX

_LOOKS = 500
"""Records that one step of a filtered listing reads: about a millisecond of the server."""

_ALL_LOOKS, _MOST_STEPS = 20_000, 10
"""Records of all indexes that one step reads; steps of one page, which is short when they are used up."""

_PAGE_BYTES = 4 << 20
"""Bytes of records that one page reads. A record that takes more is a page by itself."""

_SHARE = 0.01
"""Part of a full queue that must be free again before a refused caller should come back."""

_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_WAIT_WHEN_STUCK = 10.0
MISMATCH = "use a new Idempotency-Key for a new body"


class RedisJobStore(Work, Events, Sweeping, Statistics):
    """Job records in a database of Redis; ``jobs.lua`` lists the keys.

    Every method that changes something is one script, so one step. All times are the server's. A script
    whose answer was lost may run twice: the second run changes nothing and answers as the first one did.

    Artefacts of a job that succeeded are removed at once, those of another job when its record expires.
    The events of a job that is over are removed after ten minutes, except its end. Records are pruned;
    if nobody does that, they expire a week later.
    """

    def admit(
        self, kind: JobKind, *, most_open: int, owner: str = "", idempotency_key: str | None = None
    ) -> None:
        keys = [PREFIX] if idempotency_key is None else [PREFIX, idempotency_record(idempotency_key)]
        refusal = self._scripts.run("flow", keys, "", kind, owner, most_open, self._most_owned)
        if refusal:
            raise overloaded(kind, *refusal)

    def finish_together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def repeated(self, *, idempotency_key: str, body_digest: str) -> Accepted | None:
        record = self._earlier(idempotency_key, body_digest)
        return Accepted(job=job_of(record), new=False) if record else None

    def accept(
        self,
        job: NewJob,
        *,
        idempotency_key: str | None = None,
        body_digest: str = "",
        most_open: int | None = None,
    ) -> Accepted:
        record, new = self._recorded(job, idempotency_key, body_digest, most_open)
        return Accepted(job=job_of(record), new=new)

    def _earlier(self, idempotency_key: str, body_digest: str) -> Record | None:
        """The record of the job that an earlier submit with this key made."""
        keys = [PREFIX, idempotency_record(idempotency_key)]
        outcome, *told = self._scripts.run("repeated", keys, "", body_digest) or (None, None)
        if outcome == b"mismatch":
            raise IdempotencyMismatch(MISMATCH)
        return cast(Record | None, told[0])

    def _recorded(
        self, job: NewJob, idempotency_key: str | None, body_digest: str, most_open: int | None
    ) -> tuple[Record, bool]:
        """Record the job. Returns the record that is there now, and whether it is new."""
        keys = [job_key(job.id)]
        if idempotency_key is not None:
            keys.append(idempotency_record(idempotency_key))
        outcome, *told = self._scripts.run(
            "accept",
            keys,
            job.id,
            job.kind,
            job.stage,
            job.collection,
            dumped(job.inputs),
            "" if job.deadline is None else job.deadline,
            0.0 if job.deadline is None else job.deadline - time(),
            body_digest,
            self._idempotency,
            "" if most_open is None else most_open,
            job.trace or "",
            job.owner,
            self._most_owned,
        )
        if outcome == b"mismatch":
            raise IdempotencyMismatch(MISMATCH)
        if outcome in (b"full", b"share"):
            raise overloaded(job.kind, outcome, *told)
        return told[0], outcome == b"new"

    def get(
        self, job_id: str, *, collections: Sequence[str] | None = None, asker: str | None = None
    ) -> Job | None:
        if not JOB_ID.match(job_id) or (collections is not None and not collections):
            return None
        record = self._on("get", job_id, *_asked_by(asker), *(collections or ()))
        return job_of(record) if record else None

    def visible(
        self, job_ids: Sequence[str], *, collections: Sequence[str] | None = None, asker: str | None = None
    ) -> list[str]:
        possible = [job_id for job_id in job_ids if JOB_ID.match(job_id)]
        if not possible or (collections is not None and not collections):
            return []
        keys = [job_key(job_id) for job_id in possible]
        found = self._scripts.run("visible", keys, "", *_asked_by(asker), *(collections or ()))
        return [job_id for job_id, there in zip(possible, found, strict=True) if there]

    def page(  # noqa: PLR0913 - what a listing is narrowed by
        self,
        *,
        states: Collection[JobState] = (),
        kinds: Collection[JobKind] = (),
        collections: Sequence[str] | None,
        document_id: str | None = None,
        cursor: str | None,
        limit: int,
        asker: str | None = None,
    ) -> Window[Job]:
        wanted = _Filter(tuple(states), tuple(kinds), None, collections, asker, document_id)
        return self._window(wanted, cursor, limit)

    def dead(
        self,
        *,
        reason: str | None,
        collections: Sequence[str] | None,
        cursor: str | None,
        limit: int,
        asker: str | None = None,
    ) -> Window[Job]:
        return self._window(_Filter((JobState.DEAD,), (), reason, collections, asker), cursor, limit)

    def _window(self, wanted: "_Filter", cursor: str | None, limit: int) -> Window[Job]:
        """A page of jobs. It reads a bounded number of jobs, all of which the caller may see.

        So ``next`` never names a job that the caller may not see. InvalidCursor.
        """
        if cursor is not None and not JOB_ID.match(cursor):
            raise InvalidCursor("cursor: it comes from no earlier page of jobs")
        if wanted.collections is not None and not wanted.collections:
            return Window(items=(), next=None)
        keys, filtered = wanted.indexes(), wanted.filtered
        chosen = (
            wanted.reason or "",
            _comma_list(wanted.states),
            _comma_list(wanted.kinds),
            *_asked_by(wanted.asker),
            *(wanted.collections or ()),
        )
        looks = max(limit + 1, min(_LOOKS, _ALL_LOOKS // len(keys))) if filtered else limit + 1
        jobs: list[Job] = []
        after, room = cursor or "", _PAGE_BYTES
        most = limit + filtered  # one more shows whether there is a next page
        for _ in range(_MOST_STEPS):
            step = after, most - len(jobs), looks, room
            records, last, room = self._scripts.run("page", keys, "", *step, *chosen)
            jobs += map(job_of, records)
            after = last.decode() if last else ""
            if not after or len(jobs) >= most or room <= 0:
                break
        if len(jobs) > limit:
            return Window(items=tuple(jobs[:limit]), next=jobs[limit - 1].id)
        return Window(items=tuple(jobs), next=after or None)

    def cancel(self, job_id: str) -> Job:
        expiry = self._expiry(JobState.CANCELLED)
        answer = self._on("cancel", job_id, call_token(), self._stale, *expiry)
        return changed(job_id, answer, "it is over already")

    def retry(self, job_id: str, *, most_open: Mapping[JobKind, int] | None = None) -> Job:
        bounds = [each for pair in (most_open or {}).items() for each in pair]
        answer = self._on("retry", job_id, call_token(), time(), self._most_owned, *bounds)
        if answer[0] in (b"full", b"share"):
            *refusal, kind = answer
            raise overloaded(JobKind(kind.decode()), *refusal)
        return changed(job_id, answer, "only failed, dead and cancelled jobs are run again")

    def drop(self, job_id: str) -> Job:
        answer = self._on("drop", job_id, call_token(), *self._expiry(JobState.FAILED))
        return changed(job_id, answer, "only dead letters are dropped")


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which jobs a listing shows. None, and no states or kinds: any."""

    states: Sequence[JobState]
    kinds: Sequence[JobKind]
    reason: str | None
    collections: Sequence[str] | None
    asker: str | None
    document_id: str | None = None

    @property
    def filtered(self) -> bool:
        """Whether the indexes may have jobs that the listing does not show."""
        narrowed = (self.collections, self.asker, self.document_id, self.reason)
        return any(each is not None for each in narrowed)

    def indexes(self) -> list[str]:
        """Keys of the sets that together have these jobs, and none that the caller may not see."""
        if self.document_id is not None:
            within = ("",) if self.collections is None else dict.fromkeys(self.collections)
            return [f"{PREFIX}about:{name}/{self.document_id}" for name in within]
        keys = []
        for kind in dict.fromkeys(self.kinds or JobKind):
            if kind is JobKind.QUERY and self.asker is not None:
                keys.append(f"{PREFIX}asked:{self.asker}")
            elif self.collections is not None:
                keys += [f"{PREFIX}in:{name}:{kind}" for name in dict.fromkeys(self.collections)]
            else:
                keys += [index_key(state, kind) for state in dict.fromkeys(self.states or JobState)]
        return keys


def _asked_by(asker: str | None) -> tuple[str, str]:
    """For a script: whether only questions of one owner are meant, and whose. "" is an owner too."""
    return ("", "") if asker is None else ("1", asker)


def _comma_list(names: Sequence[str]) -> str:
    """The form that the script searches: each name between commas; "" for any."""
    return f",{','.join(names)}," if names else ""


def overloaded(kind: JobKind, outcome: bytes, still_open: int, ended: int, most: int) -> Overloaded:
    """``ended``: how many jobs ended in the last minute. From that, the time to wait is estimated."""
    share = max(1.0, _SHARE * still_open)
    wait = share * 60 / ended if ended else _WAIT_WHEN_STUCK
    wait = min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)
    whose = "of this key " if outcome == b"share" else ""
    return Overloaded(
        f"{still_open} {kind} jobs {whose}are queued or running, of {most} that may be: "
        f"try again in {wait:.0f} s",
        retry_after=wait,
    )
