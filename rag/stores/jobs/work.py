"""Job records as a worker changes them, under a lease."""

from collections.abc import Sequence
from typing import cast

from rag.errors import NotFound
from rag.model import DueStage, EventKind, JobState, Json, Lease, Progress, Stage
from rag.ports import Bounds, Taken
from rag.stores.jobs.base import JobScripts, job_key, only_word
from rag.stores.jobs.record import Record, dumped, job_of
from rag.stores.redis import PREFIX, reaching_redis


class Work(JobScripts):
    """A write is one script, which first looks whether the lease's token is the newest."""

    def due(self, stages: Sequence[Stage], *, lease_seconds: float, worker: str = "") -> tuple[DueStage, ...]:
        named = [word for stage in stages for word in (stage, self._unkept(stage) or "")]
        found = self._scripts.run("due", [PREFIX], "", lease_seconds, worker, *named)
        return tuple(DueStage(Stage(stage.decode()), job_id.decode()) for stage, job_id, _ in found)

    def take(self, stage: Stage, *, lease_seconds: float, worker: str, bounds: Bounds) -> Taken:
        most = (bounds.jobs, bounds.size, self._unkept(stage) or "")
        records, left = self._scripts.run(
            "take", [PREFIX], "", stage, lease_seconds, only_word(), worker, *most
        )
        return Taken(tuple(map(_lease_of, records)), left.decode() if left else None)

    def others_wait(self, owner: str, stages: Sequence[Stage]) -> bool:
        return bool(self._scripts.run("others", [PREFIX], "", owner, *stages))

    def _unkept(self, _stage: Stage) -> float | None:
        """Seconds for which a job without an entry in a journal is let alone; None: it needs no entry."""
        return None

    def extend(self, lease: Lease, *, lease_seconds: float) -> bool:
        """A stage is held for STALE_LEASE_SECONDS at most, one about backups for as long as its task."""
        return self._held("extend", lease, lease_seconds, self._held_at_most(lease.job.kind))

    def progress(self, lease: Lease, progress: Progress) -> bool:
        return self._held("progress", lease, progress.done, progress.total)

    def emit(self, lease: Lease, kind: EventKind, data: Json) -> bool:
        return self._held("emit", lease, kind, dumped(data), only_word())

    def advance(
        self, lease: Lease, stage: Stage, *, seconds: float, size: int = 1, delay: float = 0.0
    ) -> bool:
        return self._held("advance", lease, stage, seconds, size, delay)

    def requeue(self, lease: Lease, *, error: Json, delay: float = 0.0, counted: bool = True) -> bool:
        return self._held("requeue", lease, dumped(error), delay, int(counted))

    def release(self, lease: Lease, *, solo: bool = False) -> bool:
        return self._held("release", lease, int(solo))

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
        told = dumped(result), dumped(error)
        return self._held("finish", lease, state, seconds, *told, *self._keeping(state))

    def put_artefact(self, lease: Lease, name: str, data: bytes) -> bool:
        return self._held("put_artefact", lease, name, data)

    def artefact(self, job_id: str, name: str) -> bytes:
        with reaching_redis():
            data = self._client.hget(f"{job_key(job_id)}:artefacts", name)
        if data is None:
            raise NotFound(f"job {job_id} keeps no {name}: it was never stored, or the job ended long ago")
        return cast(bytes, data)

    def _held(self, script: str, lease: Lease, *args: str | bytes | float) -> bool:
        return bool(self._on(script, lease.job.id, lease.token, *args))


def _lease_of(record: Record) -> Lease:
    job = job_of(record)
    return Lease(job=job, token=job.token)
