"""How a job's entry in the journal becomes a record again, past the fence."""

import json
from collections.abc import Iterable, Sequence
from time import time

from redis import Redis

from rag.model import JobKind, JobState
from rag.settings import Settings
from rag.stores.entries import JobFields, over
from rag.stores.jobs.base import JobScripts, job_key
from rag.stores.jobs.record import fields_of
from rag.stores.redis import PREFIX, Call


class JobRestoration(JobScripts):
    """Adds what is missing and leaves what is there, so anything may be repeated."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        super().__init__(client, settings, fenced=False)

    def restore(self, jobs: Iterable[JobFields]) -> int:
        """Make the records of jobs that are over, or begin at their first stage; how many were missing."""
        return sum(self._scripts.run_each("restore", map(self._restoring, jobs)))

    def _restoring(self, fields: JobFields) -> Call:
        *_, keep = self._keeping(JobState(fields.get("state", JobState.QUEUED)))
        pairs = [part for pair in fields.items() for part in pair]
        first = JobKind(fields["kind"]).first_stage(json.loads(fields["inputs"]))
        return [job_key(fields["id"])], (fields["id"], first, keep, self._idempotency, *pairs)

    def move(self, fields: JobFields, inputs: str) -> bool:
        """Let a job that has not succeeded begin anew with other ``inputs``; False when it has changed since.

        One that is over does when it is retried. ``fields``: its record.
        """
        first = JobKind(fields["kind"]).first_stage(json.loads(inputs))
        return bool(self._on("move", fields["id"], fields["inputs"], inputs, first))

    def outlived(self, fields: JobFields) -> bool:
        """Whether the job is over, and would have been forgotten by now."""
        if not over(fields):
            return False
        kept, *_ = self._keeping(JobState(fields["state"]))
        return float(fields["finished_at"]) < time() - kept

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState | None]:
        """Of each job; None where there is no record."""
        found = self._scripts.run("states", [PREFIX], "", *job_ids)
        states = (JobState(state.decode()) if state else None for state in found)
        return dict(zip(job_ids, states, strict=True))

    def record(self, job_id: str) -> JobFields:
        """Names and values of a job's record; none when there is no record."""
        record = self._on("get", job_id)
        return fields_of(record) if record else {}
