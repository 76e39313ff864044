"""The journal: jobs, collections, documents and keys in the blob store, from which records are rebuilt.

Under ``journal/``:

- ``open/JOB``: a job as it was accepted, until it is over
- ``ended/YYYY-MM-DD/JOB``: the record of a job that is over, by the day of its id
- ``batches/BATCH``: a batch, and its jobs as they were accepted, until the last of their records is forgotten
- ``collections/NAME``: how a collection is embedded, or that it was dropped
- ``documents/STORE/SHA256 OF THE ID/VERSION``: a published document, or its deletion
- ``keys/ID``: a key that the service made, only with its digest

An entry is stored whole or not at all. A process may stop between any two writes, so entries may
contradict each other. Then the end of a job counts, not its beginning, and the higher version of two.
"""

import logging
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from rag.access.keys import Key
from rag.errors import ConfigurationError, NotFound
from rag.journal.entries import (
    BatchEntry,
    CollectionEntry,
    Deletion,
    DocumentEntry,
    JobFields,
    batch_entry,
    batch_json,
    collection_entry,
    collection_json,
    day_of,
    document_entry,
    document_json,
    folder_of,
    job_fields,
    job_json,
    key_entry,
    key_json,
    leaf_of,
    opening_of,
    over,
)
from rag.model import Document, DocumentVersion, JobKind, JobState
from rag.naming import generation_name
from rag.ports import BlobStore
from rag.settings import Settings

DOCUMENTS = "journal/documents"
_OPEN, _ENDED, _COLLECTIONS = "journal/open", "journal/ended", "journal/collections"
_KEYS, _BATCHES = "journal/keys", "journal/batches"
_FORMAT_KEY = "journal/format"
FORMAT = 2
"""Of all entries. It grows when a version writes what the version before it could not read: 2 has batches."""

_BATCH = 256
_AT_ONCE = 8

T = TypeVar("T")
log = logging.getLogger(__name__)


def journalled(settings: Settings, kind: JobKind) -> bool:
    """Whether jobs of ``kind`` are in the journal."""
    return settings.journal_scope == "all" or kind is not JobKind.QUERY


class Journal:
    """Entries in ``blobs``. Every method raises Unavailable when they cannot be reached.

    Entries about documents survive a power cut as soon as they are written. A question survives
    the end of the broker and of this process, but not a power cut at the same time.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._is_current = False

    # --- its format

    def check_format(self) -> None:
        """ConfigurationError when a later version wrote the journal; write format 1 where none is written.

        Entries that cannot be read are skipped, so an older version would lose them without a word.
        """
        found = self._format()
        if not found:
            self._blobs.put(_FORMAT_KEY, b"1")
        elif found > FORMAT:
            raise ConfigurationError(
                f"the journal in BLOB_URL has format {found}, and this version of Aegis reads "
                f"format {FORMAT}: start the version that wrote it, or a later one"
            )

    def _format(self) -> int:
        """0 where none is written; a power cut may leave an empty one."""
        try:
            return int(self._blobs.get(_FORMAT_KEY))
        except (NotFound, ValueError):
            return 0

    def _raise_format(self) -> None:
        """Write the present format before the first entry that an earlier version cannot read."""
        if not self._is_current and self._format() < FORMAT:
            self._blobs.put(_FORMAT_KEY, str(FORMAT).encode())
        self._is_current = True

    # --- jobs

    def open(self, job: JobFields) -> None:
        """Write that the job was accepted."""
        self._blobs.put(_open(job["id"]), job_json(job), durable=job["kind"] != JobKind.QUERY)

    def end(self, *records: Callable[[], JobFields]) -> None:
        """Write that jobs are over, in one step for the disk.

        Each of ``records`` reads that of one job, twice if a retry may come in between.
        """
        ended = {record: job for record in records if over(job := record())}
        self._put_ends(list(ended.values()))
        for record, job in ended.items():
            self._blobs.delete(_open(job["id"]))
            if job["state"] == JobState.SUCCEEDED:  # it is never run again
                continue
            now = record()
            if now and not over(now):
                self.reopen(opening_of(now))

    def _put_ends(self, jobs: Sequence[JobFields]) -> None:
        for job in jobs:
            if job["kind"] == JobKind.QUERY:
                self._blobs.put(_ended(job["id"]), job_json(job), durable=False)
        kept = {_ended(job["id"]): job_json(job) for job in jobs if job["kind"] != JobKind.QUERY}
        if kept:
            self._blobs.put_all(kept)

    def reopen(self, job: JobFields) -> None:
        """Write that the job is accepted again."""
        self.open(job)
        self._blobs.delete(_ended(job["id"]))

    def end_all(self, jobs: Sequence[JobFields]) -> None:
        """Write that these jobs are over."""
        self._blobs.put_all({_ended(job["id"]): job_json(job) for job in jobs})
        for job in jobs:
            self._blobs.delete(_open(job["id"]))

    def forget(self, jobs: Mapping[str, str]) -> None:
        """Remove the entries of jobs. ``jobs``: by their ids, those of their batches or ""."""
        for batch in set(filter(None, jobs.values())):
            self._forget_in(batch, jobs.keys())
        for job_id in jobs:
            self._blobs.delete(_ended(job_id))
            self._blobs.delete(_open(job_id))

    def open_batch(self, entry: BatchEntry) -> None:
        """Write that a batch and its jobs were accepted, in one step."""
        self._raise_format()
        self._blobs.put(_batch(entry.id), batch_json(entry))

    def batches(self) -> Iterator[BatchEntry]:
        for keys in _batches(self._blobs.keys(_BATCHES)):
            for key in keys:  # one at a time: each may have some MB
                yield from self._read([key], batch_entry)

    def _forget_in(self, batch: str, job_ids: Container[str]) -> None:
        """Before the end of a job is forgotten, its beginning must be: else it would run again."""
        entry = next(self._read([_batch(batch)], batch_entry), None)
        if entry is not None:
            left = entry.without(job_ids)
            if left.jobs:
                self._blobs.put(_batch(batch), batch_json(left))
            else:
                self._blobs.delete(_batch(batch))

    def open_jobs(self) -> Iterator[Sequence[str]]:
        """Ids, a batch at a time."""
        return self._ids(_OPEN)

    def ended_jobs(self) -> Iterator[Sequence[str]]:
        """Ids, a batch at a time."""
        return self._ids(_ENDED)

    def opened(self, job_ids: Sequence[str]) -> Iterator[JobFields]:
        """The open jobs of these ids, in no order."""
        return self._read([_open(job_id) for job_id in job_ids], job_fields)

    def ended(self, job_ids: Sequence[str]) -> Iterator[JobFields]:
        """The ended jobs of these ids, in no order."""
        return self._read([_ended(job_id) for job_id in job_ids], job_fields)

    def lacking_ends(self, job_ids: Sequence[str]) -> list[str]:
        """Those of the jobs whose end is not written."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            there = pool.map(self._blobs.exists, map(_ended, job_ids))
            return [job_id for job_id, ended in zip(job_ids, there, strict=True) if not ended]

    def _ids(self, folder: str) -> Iterator[Sequence[str]]:
        for keys in _batches(self._blobs.keys(folder)):
            yield [key.rpartition("/")[2] for key in keys]

    # --- collections and documents

    def put_collection(self, entry: CollectionEntry) -> None:
        """Replace the entry of the name."""
        self._blobs.put(f"{_COLLECTIONS}/{entry.name}", collection_json(entry))

    def put_document(self, entry: DocumentEntry, *, wait: bool = True) -> None:
        """Write a version or a deletion, and remove the entries that it replaces.

        ``wait`` False: it survives a power cut once this process has written the next entry that waits.
        """
        folder, leaf = f"{DOCUMENTS}/{folder_of(entry)}", leaf_of(entry)
        self._put_document(entry, wait=wait)
        for key in list(self._blobs.keys(folder)):
            if key.rpartition("/")[2] < leaf:
                self._blobs.delete(key)

    def put_documents(self, documents: Sequence[Document]) -> None:
        """Write versions of a generation in which none of these documents has an entry yet."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._put_document, documents))

    def _put_document(self, entry: DocumentEntry, *, wait: bool = True) -> None:
        key = f"{DOCUMENTS}/{folder_of(entry)}/{leaf_of(entry)}"
        self._blobs.put(key, document_json(entry), wait=wait)

    def forget_documents(self, collection: str, generation: int) -> None:
        """Remove all entries of a generation."""
        for key in list(self._blobs.keys(f"{DOCUMENTS}/{generation_name(collection, generation)}")):
            self._blobs.delete(key)

    def collections(self) -> Iterator[CollectionEntry]:
        for keys in _batches(self._blobs.keys(_COLLECTIONS)):
            yield from self._read(keys, collection_entry)

    def document(self, collection: str, generation: int, version: DocumentVersion) -> Document | None:
        """The entry of this version; None when it was replaced or deleted."""
        place = Deletion(collection, generation, version.document_id, version.version)
        key = f"{DOCUMENTS}/{folder_of(place)}/{version.version:012}"
        entries = self._read([key], document_entry)
        return next((each for each in entries if isinstance(each, Document)), None)

    def documents(self) -> Iterator[Sequence[DocumentEntry]]:
        """All entries, a batch at a time, in no order; a document may have several."""
        for keys in _batches(self._blobs.keys(DOCUMENTS)):
            yield list(self._read(keys, document_entry))

    # --- keys

    def put_key(self, key: Key) -> None:
        """Replace the key's entry."""
        self._blobs.put(f"{_KEYS}/{key.id}", key_json(key))

    def key(self, key_id: str) -> Key | None:
        return next(self._read([f"{_KEYS}/{key_id}"], key_entry), None)

    def forget_key(self, key_id: str) -> None:
        self._blobs.delete(f"{_KEYS}/{key_id}")

    def made_keys(self) -> Iterator[Key]:
        for keys in _batches(self._blobs.keys(_KEYS)):
            yield from self._read(keys, key_entry)

    # ---

    def _read(self, keys: Sequence[str], parse: Callable[[str, bytes], T]) -> Iterator[T]:
        """The entries under ``keys``. A damaged one, for example after a power cut, is logged and skipped."""

        def found(key: str) -> bytes | None:
            try:
                return self._blobs.get(key)
            except NotFound:
                return None  # removed since it was listed

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for key, data in zip(keys, pool.map(found, keys), strict=True):
                try:
                    if data is not None:
                        yield parse(key, data)
                except (ValueError, TypeError, KeyError) as error:
                    log.warning("%s cannot be read, so it is skipped: %s", key, error)


def _open(job_id: str) -> str:
    return f"{_OPEN}/{job_id}"


def _batch(batch_id: str) -> str:
    return f"{_BATCHES}/{batch_id}"


def _ended(job_id: str) -> str:
    return f"{_ENDED}/{day_of(job_id)}/{job_id}"


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(keys, _BATCH)):
        yield batch
