"""Job records as clients see and change them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import cast

from rag.errors import IdempotencyMismatch, InvalidCursor, Overloaded
from rag.model import Job, JobKind, JobState, NewJob
from rag.ports import Accepted, Window
from rag.stores.jobs.base import (
    JOB_ID,
    JobScripts,
    changed,
    idempotency_record,
    index_key,
    job_key,
    only_word,
)
from rag.stores.jobs.record import Record, dumped, job_of
from rag.stores.redis import PREFIX

_LOOKS = 500
"""Records that one step of a filtered listing looks at: about a millisecond of the server."""

_ALL_LOOKS, _MOST_STEPS = 20_000, 10
"""Of all indexes of a step; steps of one page, which may be short then."""

_PAGE_BYTES = 4 << 20
"""Of records that one page reads; one that takes more is a page by itself."""

_SHARE = 0.01
"""Part of a full queue that is to be free again before whoever was refused comes back."""

_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_WAIT_WHEN_STUCK = 10.0


class Desk(JobScripts):
    """Where jobs are handed in, looked at, and changed by whoever handed them in."""

    def admit(
        self, kind: JobKind, *, most_open: int, owner: str = "", idempotency_key: str | None = None
    ) -> None:
        keys = [PREFIX] if idempotency_key is None else [PREFIX, idempotency_record(idempotency_key)]
        refusal = self._scripts.run("flow", keys, "", kind, owner, most_open, self._most_owned)
        if refusal:
            raise _full(kind, *refusal)

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
            raise _mismatch()
        return cast(Record | None, told[0])

    def _recorded(
        self, job: NewJob, idempotency_key: str | None, body_digest: str, most_open: int | None
    ) -> tuple[Record, bool]:
        """The record that there is for the job, and whether it is new."""
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
            raise _mismatch()
        if outcome in (b"full", b"share"):
            raise _full(job.kind, outcome, *told)
        return told[0], outcome == b"new"

    def get(
        self, job_id: str, *, collections: Sequence[str] | None = None, asker: str | None = None
    ) -> Job | None:
        if not JOB_ID.match(job_id) or (collections is not None and not collections):
            return None
        record = self._on("get", job_id, *_asked_by(asker), *(collections or ()))
        return job_of(record) if record else None

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
        wanted = _Wanted(tuple(states), tuple(kinds), None, collections, asker, document_id)
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
        return self._window(_Wanted((JobState.DEAD,), (), reason, collections, asker), cursor, limit)

    def _window(self, wanted: "_Wanted", cursor: str | None, limit: int) -> Window[Job]:
        """Looks at a bounded number of jobs that the caller may see, so ``next`` names no other.

        InvalidCursor.
        """
        if cursor is not None and not JOB_ID.match(cursor):
            raise InvalidCursor("cursor: this is none of an earlier page of jobs")
        if wanted.collections is not None and not wanted.collections:
            return Window(items=(), next=None)
        keys, filtered = wanted.indexes(), wanted.filtered
        chosen = (
            wanted.reason or "",
            _words(wanted.states),
            _words(wanted.kinds),
            *_asked_by(wanted.asker),
            *(wanted.collections or ()),
        )
        looks = max(limit + 1, min(_LOOKS, _ALL_LOOKS // len(keys))) if filtered else limit + 1
        jobs: list[Job] = []
        after, room = cursor or "", _PAGE_BYTES
        most = limit + filtered  # so that a next page shows for the sake of jobs of this listing alone
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
        keeping = self._keeping(JobState.CANCELLED)
        answer = self._on("cancel", job_id, only_word(), self._stale, *keeping)
        return changed(job_id, answer, "it is over already")

    def retry(self, job_id: str, *, most_open: Mapping[JobKind, int] | None = None) -> Job:
        bounds = [each for pair in (most_open or {}).items() for each in pair]
        answer = self._on("retry", job_id, only_word(), time(), self._most_owned, *bounds)
        if answer[0] in (b"full", b"share"):
            *refusal, kind = answer
            raise _full(JobKind(kind.decode()), *refusal)
        return changed(job_id, answer, "only failed, dead and cancelled jobs are run again")

    def drop(self, job_id: str) -> Job:
        answer = self._on("drop", job_id, only_word(), *self._keeping(JobState.FAILED))
        return changed(job_id, answer, "only dead letters are dropped")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which jobs a listing is of; None, and no states or kinds: of any."""

    states: Sequence[JobState]
    kinds: Sequence[JobKind]
    reason: str | None
    collections: Sequence[str] | None
    asker: str | None
    document_id: str | None = None

    @property
    def listed(self) -> bool:
        """Whether it is read from lists that have not all jobs."""
        return self.collections is not None or self.asker is not None or self.document_id is not None

    @property
    def filtered(self) -> bool:
        return self.listed or self.reason is not None

    def indexes(self) -> list[str]:
        """The keys of sets that together have these jobs, and none that the caller may not see."""
        if self.document_id is not None:
            within = ("",) if self.collections is None else dict.fromkeys(self.collections)
            return [f"{PREFIX}about:{name}/{self.document_id}" for name in within]
        return [key for kind in dict.fromkeys(self.kinds or JobKind) for key in self._of(kind)]

    def _of(self, kind: JobKind) -> list[str]:
        if kind is JobKind.QUERY and self.asker is not None:
            return [f"{PREFIX}asked:{self.asker}"]
        if self.collections is not None:
            return [f"{PREFIX}in:{name}:{kind}" for name in dict.fromkeys(self.collections)]
        return [index_key(state, kind) for state in dict.fromkeys(self.states or JobState)]


def _asked_by(asker: str | None) -> tuple[str, str]:
    """Whether questions of one owner alone are meant, and whose: "" is an owner too."""
    return ("", "") if asker is None else ("1", asker)


def _words(words: Sequence[str]) -> str:
    """As the script looks for them: each between commas; "" for any."""
    return f",{','.join(words)}," if words else ""


def _mismatch() -> IdempotencyMismatch:
    return IdempotencyMismatch("use a new Idempotency-Key for a new body")


def _full(kind: JobKind, outcome: bytes, still_open: int, ended: int, most: int) -> Overloaded:
    """``ended``: of those that are open, as many end in a minute, which tells when there is room."""
    share = max(1.0, _SHARE * still_open)
    wait = share * 60 / ended if ended else _WAIT_WHEN_STUCK
    wait = min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)
    whose = "of this key " if outcome == b"share" else ""
    return Overloaded(
        f"{still_open} {kind} jobs {whose}are queued or running, of {most} that may be: "
        f"try again in {wait:.0f} s",
        retry_after=wait,
    )
