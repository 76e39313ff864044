"""Submitting many documents at once: as one batch, whose documents are jobs of their own.

The bytes of all documents are stored first, then the records of their jobs, then one entry of the journal for
all of them. From that on they are promised, and workers may begin them. A submit that broke off before may be
repeated with its Idempotency-Key: what it had recorded keeps its jobs.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from rag.errors import AegisError, Conflict, Overloaded, QuotaExceeded, Unavailable
from rag.model import Batch, BatchOptions, Collection, Job, JobKind, Json, NewJob
from rag.naming import document_id_of, new_id, second_document_id
from rag.ports import BatchStore, BlobStore, DocumentRegistry, JobStore
from rag.settings import Settings
from rag.telemetry import tracing
from tasks.documents.blob_keys import source_key
from tasks.documents.quotas import Room
from tasks.submit.acceptance import Acceptance
from tasks.submit.ingestions import content_of, ensure_collection, ingest_job, inputs_of
from tasks.submit.requests import Idempotency, Ingestion, Upload

_STORED_AT_ONCE, _STORED_BYTES = 1000, 16 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A document of a batch, at its ``position`` among those that were sent, from 0.

    ``digest`` tells it from every other one. The file of an :class:`Upload` is closed once it is stored.
    """

    position: int
    ingestion: Ingestion
    digest: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the document at ``position`` was not accepted."""

    position: int
    error: Exception
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """``explain``: what the answer says about an error. ``owner``: name of the caller's key."""

    explain: Callable[[Refusal], Json]
    owner: str = ""
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """``batch``: with its answer; ``new`` False: an earlier submit had the same key and body."""

    batch: Batch
    new: bool


@dataclass(slots=True)
class _Draft:
    """A batch while it is submitted. ``jobs``: by position, before they are recorded.

    ``digests``: the first position of each document's digest; ``same_as``: positions of its repetitions.
    """

    batch_id: str
    jobs: dict[int, NewJob] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    digests: dict[str, int] = field(default_factory=dict)
    same_as: dict[int, int] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    """By job, the key of its bytes."""

    def refuse(self, part: Part, error: AegisError) -> None:
        self.refusals.append(Refusal(part.position, error, part.ingestion.document_id))


class BatchSubmissions:
    """Where batches are handed in, and cancelled."""

    def __init__(  # noqa: PLR0913, PLR0917 - each part is a role of its own
        self,
        settings: Settings,
        jobs: JobStore,
        batches: BatchStore,
        documents: DocumentRegistry,
        blobs: BlobStore,
        publish: Callable[[Job], None],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._batches = batches
        self._documents = documents
        self._blobs = blobs
        self._acceptance = Acceptance(jobs, blobs, publish, {JobKind.INGEST: settings.max_open_ingests})

    def repeated(self, idempotency: Idempotency | None) -> Batch | None:
        """The batch of an earlier submit with this key that was answered. IdempotencyMismatch."""
        if idempotency is None:
            return None
        key, digest = idempotency.key, idempotency.body_digest
        batch = self._batches.begin(idempotency_key=key, body_digest=digest)
        return batch if batch.answer is not None else None

    def submit(self, parts: Iterable[Part | Refusal], request: BatchRequest) -> SubmittedBatch:
        """Accept the documents as one batch; those that are refused leave nothing behind.

        Raises the error of the first refusal where no document is accepted. Overloaded, IdempotencyMismatch.
        """
        key, owner = request.idempotency, request.owner
        self._acceptance.admit(JobKind.INGEST, None, owner)
        begun = self._batches.begin(
            idempotency_key=key.key if key else None, body_digest=key.body_digest if key else ""
        )
        if begun.answer is not None:
            return SubmittedBatch(begun, new=False)
        draft = _Draft(begun.id)
        try:
            self._store(draft, parts, owner)
            batch = self._complete(draft, self._record(draft, request), request)
        except Exception:
            self._clean_up(draft, key)
            raise
        self._announce(draft.jobs.values())
        return SubmittedBatch(batch, new=True)

    def cancel(self, batch_id: str) -> int:
        """End all jobs of the batch that are not over. Returns how many they were."""
        return self._batches.cancel(batch_id)

    # --- bytes and versions

    def _store(self, draft: _Draft, parts: Iterable[Part | Refusal], owner: str) -> None:
        collections = _Collections(self._settings, self._documents)
        room = Room.of(self._settings, self._documents, owner)
        for some in _slices(parts):
            draft.refusals += (each for each in some if isinstance(each, Refusal))
            wanted = [each for each in some if isinstance(each, Part) and self._is_wanted(draft, each)]
            fitting = self._fitting(draft, wanted, room, owner)
            placed = [(part, found) for part in fitting if (found := collections.of(draft, part))]
            self._store_some(draft, placed, owner)

    @staticmethod
    def _is_wanted(draft: _Draft, part: Part) -> bool:
        """Whether the document did not come before in this batch: the same one is one job."""
        first = draft.digests.setdefault(part.digest, part.position)
        if first != part.position:
            draft.same_as[part.position] = first
        return first == part.position

    def _fitting(self, draft: _Draft, parts: Sequence[Part], room: Room | None, owner: str) -> Iterator[Part]:
        """Those that the key may still store, counted in their order."""
        if room is None:
            yield from parts
            return
        own: dict[str, dict[str, int]] = {}
        for name in {part.ingestion.collection for part in parts}:
            ids = [_document_id(part) for part in parts if part.ingestion.collection == name]
            own[name] = dict(self._documents.sizes_of(name, owner, ids))
        for part in parts:
            name, document_id, size = (
                part.ingestion.collection,
                _document_id(part),
                part.ingestion.source.size,
            )
            try:
                room.take(size, own[name].get(document_id))
            except QuotaExceeded as error:
                draft.refuse(part, error)
                continue
            own[name][document_id] = size
            yield part

    def _store_some(self, draft: _Draft, parts: Sequence[tuple[Part, Collection]], owner: str) -> None:
        blobs: dict[str, bytes | BinaryIO] = {}
        for (part, collection), document in zip(parts, self._choose_versions(parts), strict=True):
            job_id, source = new_id(), part.ingestion.source
            key, content = source_key(collection.folder, job_id), content_of(source)
            if content is not None:
                blobs[key], draft.stored[job_id] = content, key
            draft.jobs[part.position] = ingest_job(
                job_id,
                part.ingestion,
                collection,
                document,
                inputs_of(source, key),
                owner=owner,
                batch=draft.batch_id,
            )
        self._blobs.put_all(blobs)
        for part, _ in parts:
            if isinstance(part.ingestion.source, Upload):
                part.ingestion.source.file.close()

    def _choose_versions(self, parts: Sequence[tuple[Part, Collection]]) -> list[tuple[str, int]]:
        """The id and version that each document gets, in their order."""
        chosen: list[tuple[str, int]] = [("", 0)] * len(parts)
        by_collection: dict[str, list[int]] = {}
        for at, (part, _) in enumerate(parts):
            if part.ingestion.keep and part.ingestion.document_id is not None:
                chosen[at] = self._claim(part.ingestion)
            else:
                by_collection.setdefault(part.ingestion.collection, []).append(at)
        for name, places in by_collection.items():
            ids = [_document_id(parts[at][0]) for at in places]
            versions = self._documents.next_versions(name, ids)
            for at, document_id, version in zip(places, ids, versions, strict=True):
                chosen[at] = document_id, version
        return chosen

    def _claim(self, ingestion: Ingestion) -> tuple[str, int]:
        """The id and version of a document that takes the place of no other."""
        name, document_id = ingestion.collection, str(ingestion.document_id)
        version = self._documents.claim(name, document_id)
        if version is None:
            document_id = second_document_id(document_id, ingestion.source.content)
            version = self._documents.next_version(name, document_id)
        return document_id, version

    # --- records

    def _record(self, draft: _Draft, request: BatchRequest) -> dict[int, tuple[str, str]]:
        """Record the jobs. Returns the job's and the document's id by position.

        Raises the error of the first document where none is accepted.
        """
        places, jobs = list(draft.jobs), list(draft.jobs.values())
        parts = None
        if request.idempotency is not None:
            digests = {position: digest for digest, position in draft.digests.items()}
            parts = [f"{request.idempotency.key} {digests[position]}" for position in places]
        if not jobs:
            raise _why_none(draft)
        with tracing.submitted(jobs[0]) as trace:
            most = self._settings.max_open_ingests
            options = BatchOptions(draft.batch_id, request.owner, trace, most)
            answers = self._batches.accept(jobs, parts, options)
        accepted: dict[int, tuple[str, str]] = {}
        unneeded = []
        for position, job, answer in zip(places, jobs, answers, strict=True):
            if isinstance(answer, Overloaded):
                draft.refusals.append(Refusal(position, answer, job.inputs["document_id"]))
            else:
                accepted[position] = answer
            if isinstance(answer, Overloaded) or answer[0] != job.id:
                unneeded.append(job.id)
        self._discard([draft.stored.pop(job_id) for job_id in unneeded if job_id in draft.stored])
        if not accepted:
            raise _why_none(draft)
        return accepted

    def _complete(self, draft: _Draft, accepted: dict[int, tuple[str, str]], request: BatchRequest) -> Batch:
        """Promise the jobs, with the answer that a repeated submit gets too."""
        first_refusals = {each.position: each for each in draft.refusals}
        for position, first in draft.same_as.items():
            if first in accepted:
                accepted[position] = accepted[first]
            elif first in first_refusals:
                again = first_refusals[first]
                draft.refusals.append(Refusal(position, again.error, again.document_id))
        refusals = sorted(draft.refusals, key=lambda each: each.position)
        count = len(accepted) + len(refusals)
        answer: Json = {
            "jobs": [accepted.get(position) for position in range(count)],
            "refused": [request.explain(each) for each in refusals],
        }
        key = request.idempotency
        job_ids = list(dict.fromkeys(job_id for job_id, _ in accepted.values()))
        return self._batches.complete(
            draft.batch_id, job_ids, answer, (key.key, key.body_digest) if key else None
        )

    def _announce(self, jobs: Iterable[NewJob]) -> None:
        """Ring once for each lane in which jobs begin."""
        for job in {job.stage: job for job in jobs}.values():
            with suppress(Unavailable):
                if recorded := self._jobs.get(job.id):
                    self._acceptance.send(recorded)

    def _clean_up(self, draft: _Draft, key: Idempotency | None) -> None:
        """Remove what was stored for jobs without a record. Where the records cannot be read, it stays."""
        try:
            self._discard([key for job_id, key in draft.stored.items() if self._jobs.get(job_id) is None])
            self._batches.abandon(draft.batch_id, (key.key, key.body_digest) if key else None)
        except Unavailable as error:
            log.warning("bytes of batch %s stay, since its jobs may be recorded: %s", draft.batch_id, error)

    def _discard(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._blobs.delete(key)


class _Collections:
    """The collections of a batch's documents, each looked up, or made, once."""

    def __init__(self, settings: Settings, documents: DocumentRegistry) -> None:
        self._settings, self._documents = settings, documents
        self._found: dict[str, Collection | AegisError] = {}

    def of(self, draft: _Draft, part: Part) -> Collection | None:
        """None, and the document refused, where it cannot be used."""
        name = part.ingestion.collection
        if name not in self._found:
            try:
                self._found[name] = ensure_collection(self._settings, self._documents, name)
            except (Conflict, QuotaExceeded) as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, AegisError):
            draft.refuse(part, found)
            return None
        return found


def _slices(parts: Iterable[Part | Refusal]) -> Iterator[list[Part | Refusal]]:
    some: list[Part | Refusal] = []
    size = 0
    for part in parts:
        some.append(part)
        size += part.ingestion.source.size if isinstance(part, Part) else 0
        if len(some) >= _STORED_AT_ONCE or size >= _STORED_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _document_id(part: Part) -> str:
    """An id made from the content where none was sent: the same document sent twice is one."""
    return part.ingestion.document_id or document_id_of(part.ingestion.source.content)


def _why_none(draft: _Draft) -> Exception:
    return min(draft.refusals, key=lambda each: each.position).error
