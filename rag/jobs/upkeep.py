"""Job records as housekeeping and monitoring need them: what is late, left over, old, or on its way."""

from contextlib import AbstractContextManager
from itertools import product

from rag.jobs.scripts import JobScripts, call_token, dumped, index_key, job_of
from rag.model import Job, JobFigures, JobKind, JobState, Json, Lease, Stage, StageFigures
from rag.redis.connection import PREFIX, reaching_redis
from rag.redis.locks import HeldLock, held_lock

_LOOKS = 500
"""Dead letters whose reason is read: some milliseconds in which the server does nothing else."""

_MOST_COMING = 100
"""Ingestions of one document that are listed."""


class Sweeping(JobScripts):
    """All times are the server's. A time further ahead than possible was set before its clock jumped back."""

    def alone(
        self, duty: str, *, seconds: float, followed_after: float | None = None
    ) -> AbstractContextManager[HeldLock]:
        return held_lock(self._client, duty, seconds=seconds, followed_after=followed_after)

    def depth(self, stage: Stage) -> int:
        with reaching_redis():
            return self._client.zcard(f"{PREFIX}waiting:{stage}")

    def expired(self, *, limit: int) -> list[Job]:
        return [job_of(r) for r in self._scripts.run("expired", [PREFIX], "", limit)]

    def expire(self, job_id: str, *, error: Json) -> bool:
        expiry = self._expiry(JobState.FAILED)
        return bool(self._on("expire", job_id, call_token(), dumped(error), *expiry))

    def leftovers(self, *, limit: int) -> list[Job]:
        return [job_of(r) for r in self._scripts.run("remains", [PREFIX], "", limit)]

    def tidy(self, job_id: str, *, seconds: float) -> Job | None:
        record = self._on("tidy", job_id, seconds)
        return job_of(record) if record else None

    def confirm_tidy(self, job_id: str, *, lease: Lease | None = None) -> None:
        self._on("tidied", job_id, lease.token if lease else "")

    def prune(self, *, finished_before: float, dead_before: float, most: int, limit: int) -> list[Job]:
        """At most ``limit`` of each sort."""
        sorts = (("finished", finished_before), ("dead", dead_before))
        return [
            job_of(record)
            for name, before in sorts
            for record in self._scripts.run("prune", [PREFIX], "", name, before, most, limit)
        ]

    def counts(self) -> dict[JobState, int]:
        keys = list(product(JobState, JobKind))
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            for state, kind in keys:
                pipeline.zcard(index_key(state, kind))
            sizes = dict(zip(keys, pipeline.execute(), strict=True))
        return {state: sum(sizes[state, kind] for kind in JobKind) for state in JobState}

    def ping(self) -> None:
        """Unavailable also while lost records are rebuilt."""
        self._scripts.run("ping", [PREFIX])

    def coming(self, collection: str) -> int:
        return int(self._scripts.run("coming", [PREFIX], "", collection))

    def coming_of(self, collection: str, document_id: str) -> list[str]:
        arguments = (collection, document_id, _MOST_COMING)
        found: list[bytes] = self._scripts.run("coming_of", [PREFIX], "", *arguments)
        return [job_id.decode() for job_id in found]

    def figures(self) -> JobFigures:
        waiting = [f"{PREFIX}waiting:{stage}" for stage in Stage]
        still_open, waited, dead = self._scripts.run("figures", waiting, "", _LOOKS, *JobKind)
        reasons = (reason.decode() for reason in dead[::2])
        return JobFigures(
            open=dict(zip(JobKind, still_open, strict=True)),
            waited=dict(zip(Stage, map(float, waited), strict=True)),
            dead=dict(zip(reasons, dead[1::2], strict=True)),
            stages=self._stages(),
        )

    def longest_waiting(self, *, limit: int) -> list[Job]:
        return [job_of(record) for record in self._scripts.run("waiting", [PREFIX], "", limit, *Stage)]

    def abandon(self, job: Job) -> bool:
        return bool(self._on("abandon", job.id, job.token, f"{job.standing.renewed_at:.6f}"))

    def _stages(self) -> dict[Stage, StageFigures]:
        found = self._scripts.run("stages", [PREFIX], "", *Stage)
        return {
            stage: StageFigures(queued, waiting, running, float(waited))
            for stage, (queued, waiting, running, waited) in zip(Stage, found, strict=True)
        }
