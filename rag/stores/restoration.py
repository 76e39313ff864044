"""How entries of the journal become records again, past the fence."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from time import time

from redis import Redis

from rag.model import Document, JobKind
from rag.settings import Settings
from rag.stores.collections import collection_key
from rag.stores.documents import publication
from rag.stores.entries import CollectionEntry, Deletion, DocumentEntry, JobFields, made_at
from rag.stores.jobs.restoration import JobRestoration
from rag.stores.journal import Journal
from rag.stores.keys import KeyRestoration
from rag.stores.recovery import Recovery
from rag.stores.redis import Call, Scripts
from rag.stores.removals import Lines, job_of


class DocumentRestoration:
    """Adds what is missing and leaves what is newer, so anything may be repeated, in any order but one:
    a collection comes before what belongs to it."""

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._scripts = Scripts(client, "documents", fenced=False)
        self._retention = settings.job_retention_hours * 3600

    def collection(self, entry: CollectionEntry) -> None:
        """A collection as it was, without documents; of one that was dropped, what outlives it."""
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
        """The versions to be seen, and the deletions."""
        entries = list(entries)
        published = (publication(entry) for entry in entries if isinstance(entry, Document))
        self._scripts.run_each("publish", published)
        deletions = (entry for entry in entries if isinstance(entry, Deletion))
        self._scripts.run_each("bury", map(self._burial, deletions))

    def _burial(self, entry: Deletion) -> Call:
        keys, version = _version(entry.collection, entry.document_id, entry.version, entry.generation)
        return keys, (*version, self._unpurged(entry))

    def _unpurged(self, entry: CollectionEntry | Deletion) -> Lines:
        """What a deletion left and no job may be journalled for; '' of one so old that its job ended."""
        job_id = job_of(entry.unpurged)
        recent = job_id and made_at(job_id) > time() - self._retention
        return entry.unpurged if recent else ""

    def note_versions(self, jobs: Iterable[JobFields]) -> None:
        """The versions that ingestions were given are in use, whatever became of the jobs."""
        ingestions = (job for job in jobs if job["kind"] == JobKind.INGEST)
        self._scripts.run_each("issue", map(_version_given, ingestions))


def _version_given(ingestion: JobFields) -> Call:
    inputs = json.loads(ingestion["inputs"])
    return _version(ingestion["collection"], inputs["document_id"], inputs["version"], inputs["generation"])


def _version(collection: str, document_id: str, version: int, generation: int) -> Call:
    return [collection_key(collection)], (collection, document_id, version, generation)


@dataclass(frozen=True, slots=True)
class Restoration:
    """All that takes part when records are rebuilt."""

    recovery: Recovery
    journal: Journal
    jobs: JobRestoration
    documents: DocumentRestoration
    keys: KeyRestoration
