"""Job records as a worker changes them, under a lease."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

from rag.errors import NotFound
from rag.jobs.scripts import JobScripts, call_token, dumped, job_key, job_of
from rag.model import ABOUT_BACKUPS, DueStage, EventKind, JobState, Json, Lease, Progress, Stage
from rag.ports import Bounds, Taken
from rag.redis.connection import PREFIX, reaching_redis


class Work(JobScripts):
    """Each write is one script, which first checks that the lease's token is the newest."""

    def due(self, stages: Sequence[Stage], *, lease_seconds: float, worker: str = "") -> tuple[DueStage, ...]:
        named = [word for stage in stages for word in (stage, self._journal_grace(stage) or "")]
        found = self._scripts.run("due", [PREFIX], "", lease_seconds, worker, *named)
        return tuple(DueStage(Stage(stage.decode()), job_id.decode()) for stage, job_id, _ in found)

    def take(self, stage: Stage, *, lease_seconds: float, worker: str, bounds: Bounds) -> Taken:
        most = (bounds.jobs, bounds.size, self._journal_grace(stage) or "")
        records, left = self._scripts.run(
            "take", [PREFIX], "", stage, lease_seconds, call_token(), worker, *most
        )
        leases = tuple(Lease(job=job, token=job.token) for job in map(job_of, records))
        return Taken(leases, left.decode() if left else None)

    def others_wait(self, owner: str, stages: Sequence[Stage]) -> bool:
        return bool(self._scripts.run("others", [PREFIX], "", owner, *stages))

    def _journal_grace(self, _stage: Stage) -> float | None:
        """Seconds for which a job waits for its entry in the journal; None: it needs no entry."""
        return None

    def extend(self, lease: Lease, *, lease_seconds: float) -> bool:
        """A stage is held for STALE_LEASE_SECONDS at most, one about backups for as long as its task."""
        about_backups = lease.job.kind in ABOUT_BACKUPS
        longest = self._stale_about_backups if about_backups else self._stale
        return self._held("extend", lease, lease_seconds, longest)

    def progress(self, lease: Lease, progress: Progress) -> bool:
        return self._held("progress", lease, progress.done, progress.total)

    def emit(self, lease: Lease, kind: EventKind, data: Json) -> bool:
        return self._held("emit", lease, kind, dumped(data), call_token())

    def advance(  # noqa: PLR0913 - what is known of the next stage
        self,
        lease: Lease,
        stage: Stage,
        *,
        seconds: float,
        size: int = 1,
        delay: float = 0.0,
        error: Json | None = None,
        waits_for: str = "",
        saves: Mapping[str, bytes] = MappingProxyType({}),
    ) -> bool:
        artefacts = (part for pair in saves.items() for part in pair)
        told = seconds, size, delay, dumped(error), waits_for
        return self._held("advance", lease, stage, *told, *artefacts)

    def requeue(self, lease: Lease, *, error: Json, delay: float = 0.0, counted: bool = True) -> bool:
        return self._held("requeue", lease, dumped(error), delay, int(counted))

    def release(self, lease: Lease, *, solo: bool = False) -> bool:
        return self._held("release", lease, int(solo))

    def finish(  # noqa: PLR0913 - each tells something else of the end
        self,
        lease: Lease,
        state: JobState,
        *,
        seconds: float = 0.0,
        result: Json | None = None,
        error: Json | None = None,
        tally: Mapping[str, int] | None = None,
    ) -> bool:
        told = seconds, dumped(result), dumped(error)
        return bool(self._write_end(lease, state, *told, tally=tally or {}))

    def _write_end(
        self,
        lease: Lease,
        state: JobState,
        *told: str | float,
        tally: Mapping[str, int],
    ) -> Any:
        """What the script ``finish`` answers. ``told``: seconds, and result and error as JSON texts."""
        if not state.final:
            raise ValueError(f"a job does not end as {state}")
        counts = (part for pair in tally.items() for part in pair)
        return self._on("finish", lease.job.id, lease.token, state, *told, *self._expiry(state), *counts)

    def put_artefact(self, lease: Lease, name: str, data: bytes) -> bool:
        return self._held("put_artefact", lease, name, data)

    def artefact(self, job_id: str, name: str) -> bytes:
        with reaching_redis():
            data = self._client.hget(f"{job_key(job_id)}:artefacts", name)
        if data is None:
            raise NotFound(f"job {job_id} has no {name}: it was never stored, or the job ended long ago")
        return cast(bytes, data)

    def artefacts(self, names: Sequence[str], job_ids: Sequence[str]) -> list[dict[str, bytes]]:
        with reaching_redis(), self._client.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hmget(f"{job_key(job_id)}:artefacts", list(names))
            found: list[list[bytes | None]] = pipeline.execute()
        pairs = (zip(names, each, strict=True) for each in found)
        return [{name: data for name, data in kept if data is not None} for kept in pairs]

    def _held(self, script: str, lease: Lease, *args: str | bytes | float) -> bool:
        return bool(self._on(script, lease.job.id, lease.token, *args))
