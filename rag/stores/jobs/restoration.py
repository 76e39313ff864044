"""Rebuilding job records from the journal, while all other access is fenced off."""

import json
from collections.abc import Iterable, Sequence
from time import time

from redis import Redis

from rag.model import JobKind, JobState
from rag.settings import Settings
from rag.stores.entries import JobFields, over
from rag.stores.jobs.base import JobScripts, fields_of, job_key
from rag.stores.redis import PREFIX, Call


class JobRestoration(JobScripts):
    """Adds what is missing and leaves what is there, so every call may be repeated."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        super().__init__(client, settings, fenced=False)

    def restore(self, jobs: Iterable[JobFields]) -> int:
        """Make missing records of jobs that are over, or begin at their first stage. Returns how many."""

        def call(fields: JobFields) -> Call:
            *_, seconds = self._expiry(JobState(fields.get("state", JobState.QUEUED)))
            pairs = [part for pair in fields.items() for part in pair]
            first = JobKind(fields["kind"]).first_stage(json.loads(fields["inputs"]))
            return [job_key(fields["id"])], (fields["id"], first, seconds, self._idempotency, *pairs)

        return sum(self._scripts.run_each("restore", map(call, jobs)))

    def move(self, fields: JobFields, inputs: str) -> bool:
        """Let a job that has not succeeded begin again with other ``inputs``.

        One that is over begins when it is retried. ``fields``: its record as the caller read it. False when
        the record has changed since.
        """
        first = JobKind(fields["kind"]).first_stage(json.loads(inputs))
        return bool(self._on("move", fields["id"], fields["inputs"], inputs, first))

    def outlived(self, fields: JobFields) -> bool:
        """Whether the job is over, and would have been pruned by now."""
        if not over(fields):
            return False
        kept, *_ = self._expiry(JobState(fields["state"]))
        return float(fields["finished_at"]) < time() - kept

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState | None]:
        """The state of each job; None where there is no record."""
        found = self._scripts.run("states", [PREFIX], "", *job_ids)
        states = (JobState(state.decode()) if state else None for state in found)
        return dict(zip(job_ids, states, strict=True))

    def record(self, job_id: str) -> JobFields:
        """Names and values of a job's record; empty when there is no record."""
        record = self._on("get", job_id)
        return fields_of(record) if record else {}
