"""Rebuilds records from the journal's entries, behind the fence.

Rebuilding job records from the journal, while all other access is fenced off.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import time

from redis import Redis

from rag.jobs.scripts import JobScripts, batch_key, fields_of, job_key
from rag.journal.entries import CollectionEntry, Deletion, DocumentEntry, JobFields, Lines, made_at, over
from rag.journal.journal import Journal
from rag.model import Document, JobKind, JobState
from rag.recovery.recovery import Recovery
from rag.redis.connection import PREFIX, Call, Scripts
from rag.registry.keys import KeyRestoration
from rag.registry.registry import publication
from rag.registry.rows import collection_key, job_of
from rag.settings import Settings


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

    def restore_batch(self, batch: JobFields) -> None:
        """Make the record of a batch whose jobs have records; nothing where none of them has."""
        pairs = [part for pair in batch.items() for part in pair]
        self._scripts.run("close_batch", [batch_key(batch["id"])], "", self._idempotency, *pairs)

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


class DocumentRestoration:
    """Adds what is missing and keeps what is newer. So calls may be repeated, in any order, except that
    a collection comes before its documents."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._scripts = Scripts(client, "registry/registry", fenced=False)
        self._retention = settings.job_retention_hours * 3600

    def collection(self, entry: CollectionEntry) -> None:
        """Restore a collection without its documents; of a dropped one, what remains of it."""
        self._scripts.run(
            "restore_collection",
            [collection_key(entry.name)],
            entry.name,
            entry.embedding_model,
            entry.dimension,
            entry.created_at,
            entry.generation,
            entry.floor,
            int(entry.dropped),
            self._unpurged(entry),
            entry.layout,
            entry.built_by,
            entry.layouts,
            entry.moves,
            entry.above,
            *entry.second,
        )

    def documents(self, entries: Iterable[DocumentEntry]) -> None:
        """Restore published versions and deletions."""
        entries = list(entries)
        published = (publication(entry) for entry in entries if isinstance(entry, Document))
        self._scripts.run_each("publish", published)
        deletions: Iterator[Call] = (
            (
                [collection_key(entry.collection)],
                (entry.collection, entry.document_id, entry.version, entry.generation, self._unpurged(entry)),
            )
            for entry in entries
            if isinstance(entry, Deletion)
        )
        self._scripts.run_each("bury", deletions)

    def _unpurged(self, entry: CollectionEntry | Deletion) -> Lines:
        """What is still to be purged after a deletion; '' when it is so old that its job has ended."""
        job_id = job_of(entry.unpurged)
        recent = job_id and made_at(job_id) > time() - self._retention
        return entry.unpurged if recent else ""

    def note_versions(self, jobs: Iterable[JobFields]) -> None:
        """Mark the versions that ``jobs`` allocated as used, whatever became of the jobs."""
        ingestions = (
            (job["collection"], json.loads(job["inputs"])) for job in jobs if job["kind"] == JobKind.INGEST
        )
        calls: Iterator[Call] = (
            (
                [collection_key(collection)],
                (collection, inputs["document_id"], inputs["version"], inputs["generation"]),
            )
            for collection, inputs in ingestions
        )
        self._scripts.run_each("issue", calls)


@dataclass(frozen=True, slots=True)
class Restoration:
    """The parts of a rebuild of records."""

    recovery: Recovery
    journal: Journal
    jobs: JobRestoration
    documents: DocumentRestoration
    keys: KeyRestoration
