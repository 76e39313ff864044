"""Rebuilds records from the journal's entries, behind the fence."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import time

from redis import Redis

from rag.model import Document, JobKind
from rag.settings import Settings
from rag.stores.documents import publication
from rag.stores.entries import CollectionEntry, Deletion, DocumentEntry, JobFields, made_at
from rag.stores.jobs.restoration import JobRestoration
from rag.stores.journal import Journal
from rag.stores.keys import KeyRestoration
from rag.stores.recovery import Recovery
from rag.stores.redis import Call, Scripts
from rag.stores.rows import Lines, collection_key, job_of


class DocumentRestoration:
    """Adds what is missing and keeps what is newer. So calls may be repeated, in any order, except that
    a collection comes before its documents."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._scripts = Scripts(client, "documents", fenced=False)
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
