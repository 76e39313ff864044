"""Job records as the sweeper needs them: what was lost, is late, or is to be forgotten."""

from contextlib import AbstractContextManager
from itertools import product

from rag.model import Job, JobKind, JobState, Json, Lease, Stage
from rag.stores.jobs.base import JobScripts, index_key, only_word
from rag.stores.jobs.record import dumped, job_of
from rag.stores.locks import HeldLock, held_lock
from rag.stores.redis import PREFIX, reaching_redis


class Sweeping(JobScripts):
    """Times are the server's; what lies further ahead than it can is from before its clock jumped back."""

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
        keeping = self._keeping(JobState.FAILED)
        return bool(self._on("expire", job_id, only_word(), dumped(error), *keeping))

    def remains(self, *, limit: int) -> list[Job]:
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
