"""One Protocol a role. Settings choose the implementation in ``workers.tools``; nothing else asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Generic, Protocol, TypeVar

from rag.model import (
    Answer,
    Candidate,
    Chunk,
    Collection,
    CollectionSpec,
    Document,
    DocumentVersion,
    Embedding,
    EventKind,
    Hit,
    Job,
    JobEvent,
    JobFigures,
    JobKind,
    JobState,
    Json,
    Lease,
    NewJob,
    ParsedDocument,
    Point,
    Progress,
    Removal,
    SearchQuery,
    Stage,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """A page of a listing; ``next`` is the cursor of the following page, None at the end."""

    items: tuple[T, ...]
    next: str | None


class Parser(Protocol):
    """A file's bytes to text with its structure."""

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        """Raises a DocumentError that tells the document's owner what is wrong with it."""
        ...

    def warm(self) -> None: ...


class Chunker(Protocol):
    """Text to passages that fit the embedding model in use."""

    name: str
    """Changes whenever the same document would be cut differently."""

    def chunk(self, document: ParsedDocument) -> Sequence[Chunk]:
        """In order of appearance, ``document.text[c.start:c.end] == c.text``; EmptyDocument for none."""
        ...

    def warm(self) -> None: ...


class Embedder(Protocol):
    """Texts to vectors. A text's vector never depends on the texts it is sent with."""

    name: str
    dimension: int
    max_tokens: int

    @property
    def token_dimension(self) -> int | None:
        """Columns of ``Embedding.tokens``; None where the model gives none."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` without special tokens and without truncation."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding a text, in order."""
        ...

    def embed_query(self, text: str) -> Embedding:
        """The question's embedding, with ``weights`` where ``tokens`` are given."""
        ...

    def warm(self) -> None:
        """Load and try the model. Raises ModelError or Transient when it cannot serve."""
        ...


class Reranker(Protocol):
    """Question and candidates to relevance."""

    name: str
    reads_vectors: bool
    """True: candidates must carry ``dense`` and ``tokens``."""
    least_candidates: int
    """So many are retrieved even for a smaller ``top_k``, where weighing more costs next to nothing."""

    def relevance(self, question: str, query: Embedding, candidates: Sequence[Candidate]) -> list[float]:
        """Relevance in [0, 1] of each candidate, in order; about the chance that it answers."""
        ...

    def warm(self) -> None: ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """``passages`` best first, their hits' scores being relevance in [0, 1].

    ``emit`` takes each piece of the answer as it comes; ``cancelled`` is asked often.
    """

    question: str
    query: Embedding
    passages: tuple[Candidate, ...]
    emit: Callable[[str], None]
    cancelled: Callable[[], bool]


class Generator(Protocol):
    name: str
    reads_vectors: bool
    """True: passages must carry ``tokens`` where the store has them."""

    def answer(self, request: GenerationRequest) -> Answer:
        """An answer whose every ``[n]`` is a citation, or an honest "not found"."""
        ...

    def warm(self) -> None: ...


class VectorStore(Protocol):
    """Points by collection. Every write is durable when the call returns.

    Raises UnknownCollection for a name that was not ensured, InvalidRequest for vectors
    or payloads that the engine would silently mishandle (NaN, wrong size, lone
    surrogates), Unavailable when the engine is away.
    """

    def ensure(self, collection: str, spec: CollectionSpec) -> None:
        """Create the collection; nothing when it is there with the same spec, else Conflict."""
        ...

    def drop(self, collection: str) -> None:
        """Remove the collection and its points; nothing when it is not there."""
        ...

    def collections(self) -> tuple[str, ...]: ...

    def upsert(self, collection: str, points: Sequence[Point]) -> None: ...

    def delete(
        self,
        collection: str,
        document_id: str,
        *,
        below: int | None = None,
        keep: int | None = None,
        only: int | None = None,
    ) -> None:
        """Remove a document's points: all, or of versions under ``below``, but ``keep``, or ``only`` that."""
        ...

    def search(self, collection: str, query: SearchQuery) -> list[Hit]:
        """At most ``query.limit`` hits by fused dense and lexical score, best first."""
        ...

    def candidates(self, collection: str, hits: Sequence[Hit]) -> list[Candidate]:
        """The hits with their stored vectors, in order; a point that has gone is left out."""
        ...

    def count(self, collection: str, document_id: str | None = None) -> int:
        """Points of the collection, or of one document in it (every version)."""
        ...

    def ping(self) -> None:
        """Return when the engine answers; Unavailable when it does not."""
        ...


class BlobStore(Protocol):
    """Bytes by key, in a folder or a bucket. Keys are ``/``-separated, without ``..``."""

    def put(self, key: str, data: bytes | BinaryIO, *, durable: bool = True) -> None:
        """Store whole or not at all; replaces what was there.

        ``durable`` False: what can be made again, so need not survive a power cut.
        """
        ...

    def get(self, key: str) -> bytes:
        """The bytes. NotFound when there is no such key."""
        ...

    def exists(self, key: str) -> bool: ...

    def delete(self, key: str) -> None:
        """Remove the key; nothing when it is not there."""
        ...

    def keys(self, prefix: str) -> Iterator[str]: ...


class DocumentRegistry(Protocol):
    """Which version of each document searches may see, and the collections there are."""

    def put_collection(self, name: str, embedding_model: str, dimension: int) -> tuple[Collection, bool]:
        """Create, or return what is there, and whether it is new. Conflict when model or size differ."""
        ...

    def collection(self, name: str) -> Collection | None: ...

    def collections(self) -> tuple[Collection, ...]: ...

    def drop_collection(self, name: str) -> Removal | None:
        """Forget the collection and its documents at once; None when it was not there."""
        ...

    def next_version(self, collection: str, document_id: str) -> int:
        """A number above every one given out for this document before, deleted or not."""
        ...

    def publish(self, document: Document, *, under: Lease | None = None) -> bool:
        """Make this version the one that searches see, in one step, while the lease ``under`` is held.

        True also when this very version is there already. False, and nothing changed, when the
        lease is lost, a newer version or a later deletion is there, or the collection is of another
        generation.
        """
        ...

    def outdated(self, collection: str, generation: int, version: DocumentVersion) -> bool:
        """Whether this version can never be published (again), for one of those reasons."""
        ...

    def get(self, collection: str, document_id: str) -> Document | None: ...

    def page(self, collection: str, *, cursor: str | None, limit: int) -> Window[Document]:
        """By document id, ascending."""
        ...

    def delete(self, collection: str, document_id: str) -> Removal | None:
        """Hide the document at once, versions already given out included; None when not there."""
        ...

    def unpurged(self, *, silent_for: float, limit: int) -> list[Removal]:
        """What was deleted over ``silent_for`` seconds ago and has not been ``entrusted`` to a job.

        Until then the deletion, made again, returns the same removal.
        """
        ...

    def entrusted(self, removal: Removal) -> None:
        """A job is recorded that purges it."""
        ...

    def stale(self, collection: str, versions: Iterable[DocumentVersion]) -> tuple[DocumentVersion, ...]:
        """Those of ``versions`` that are not the ones to be seen now."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """``job`` is the stored record; ``new`` False: an earlier submit had the same key and body."""

    job: Job
    new: bool


class JobStore(Protocol):
    """Job records, their events and their small artefacts. Every change is one atomic step."""

    def admit(self, kind: JobKind, *, most_open: int, idempotency_key: str | None = None) -> None:
        """Return when ``accept`` would take a job of this kind now; Overloaded when not."""
        ...

    def repeated(self, *, idempotency_key: str, body_digest: str) -> Accepted | None:
        """The job of an earlier submit with this key; None for a new one. IdempotencyMismatch."""
        ...

    def accept(
        self,
        job: NewJob,
        *,
        idempotency_key: str | None = None,
        body_digest: str = "",
        most_open: int | None = None,
    ) -> Accepted:
        """Record a queued job. IdempotencyMismatch when the key was used with another digest.

        Overloaded, with the time after which there should be room, when ``most_open`` jobs of
        this kind are not over yet; a submit that repeats an accepted one is answered all the same.
        """
        ...

    def get(self, job_id: str) -> Job | None:
        """The record, ``queue_position`` included (1 is next; None unless queued)."""
        ...

    def page(
        self,
        *,
        state: JobState | None,
        kind: JobKind | None,
        collections: Sequence[str] | None,
        cursor: str | None,
        limit: int,
    ) -> Window[Job]:
        """Newest first. ``collections`` None: all."""
        ...

    def begin(self, job_id: str, stage: Stage, *, lease_seconds: float, worker: str = "") -> Lease | None:
        """Take the stage: state running, attempts + 1, a new token; a later attempt counts as a retry.

        None when the job is over, is at another stage, or is leased to somebody alive:
        the delivery is then a leftover and is to be dropped. ``worker``: names a worker with
        one slot for as long as it lives; what it begins again itself was held by a child of it that died.
        """
        ...

    def extend(self, lease: Lease, *, lease_seconds: float) -> bool:
        """Prolong the lease. False when it is lost (newer token, job over, cancelled, held too long)."""
        ...

    def progress(self, lease: Lease, progress: Progress) -> bool: ...

    def emit(self, lease: Lease, kind: EventKind, data: Json) -> bool:
        """Append an event of a running job; False when the lease is lost."""
        ...

    def advance(self, lease: Lease, stage: Stage, *, seconds: float) -> bool:
        """Stage done after ``seconds`` of work: queue the job at ``stage``. False: lease lost."""
        ...

    def requeue(self, lease: Lease, *, error: Json, delay: float = 0.0) -> bool:
        """Give the stage back for another attempt after ``delay`` seconds, 300 at most. False: lease lost."""
        ...

    def release(self, lease: Lease) -> bool:
        """Give the stage back as if this attempt had not begun: its worker ends. False: lease lost."""
        ...

    def finish(
        self,
        lease: Lease,
        state: JobState,
        *,
        seconds: float = 0.0,
        result: Json | None = None,
        error: Json | None = None,
    ) -> bool:
        """End the job. False, and nothing written, when the lease is lost.

        The ``reason`` of a dead job is the code at the end of its error's ``type``.
        """
        ...

    def cancel(self, job_id: str) -> Job:
        """End a job that is not over, as cancelled. NotFound; Conflict when it is over."""
        ...

    def retry(self, job_id: str) -> Job:
        """Queue a failed, dead or cancelled job again at its stage. NotFound; Conflict otherwise.

        A deadline moves, so that the job gets as long as it had at first.
        """
        ...

    def put_artefact(self, lease: Lease, name: str, data: bytes) -> bool:
        """Keep a stage's small output (a few MB at most) until the job succeeds or its record goes."""
        ...

    def artefact(self, job_id: str, name: str) -> bytes:
        """NotFound when it was never put or has expired."""
        ...

    def events(self, job_id: str, *, after: str | None = None) -> list[JobEvent]:
        """The job's events in order, those after ``after`` only."""
        ...

    def dead(
        self,
        *,
        reason: str | None,
        collections: Sequence[str] | None,
        cursor: str | None,
        limit: int,
    ) -> Window[Job]:
        """The dead letters, newest first; ``reason`` None: of every class."""
        ...

    def drop(self, job_id: str) -> Job:
        """A dead letter nobody wants: the job stays as failed. NotFound; Conflict when it is not dead."""
        ...

    def expired(self, *, limit: int) -> list[Job]:
        """Queued jobs whose deadline has passed."""
        ...

    def expire(self, job_id: str, *, error: Json) -> bool:
        """End a queued job whose deadline has passed as failed. False when it is not one."""
        ...

    def alone(self, duty: str, *, seconds: float) -> AbstractContextManager[bool]:
        """Whether the caller is the only one at ``duty``, until it leaves or ``seconds`` have passed."""
        ...

    def overdue(self, stages: Sequence[Stage], *, silent_for: float, limit: int) -> list[Job]:
        """Jobs queued at ``stages`` whose message was sent over ``silent_for`` seconds ago, oldest first."""
        ...

    def abandoned(self, *, silent_for: float, limit: int) -> list[Job]:
        """Running jobs whose lease ran out, and which were not published again for ``silent_for`` seconds."""
        ...

    def touch(self, job_id: str) -> None:
        """Note that the job was published again just now."""
        ...

    def depth(self, stage: Stage) -> int:
        """How many jobs wait at this stage."""
        ...

    def delayed(self, stages: Sequence[Stage]) -> int:
        """How many of those that wait at ``stages`` are not due yet."""
        ...

    def counts(self) -> Mapping[JobState, int]:
        """How many jobs there are in each state."""
        ...

    def figures(self) -> JobFigures:
        """How the queue stands now."""
        ...

    def remains(self, *, limit: int) -> list[Job]:
        """Ingestions that ended without success, and may have left points and work behind."""
        ...

    def tidy(self, job_id: str, *, seconds: float) -> Job | None:
        """The record of a job whose remains may be removed now: nobody can retry it for ``seconds``.

        None when it is not over, or dead: then they are still needed.
        """
        ...

    def tidied(self, job_id: str, *, lease: Lease | None = None) -> None:
        """What ``tidy`` allowed is done; ``lease``: that of the attempt that did it and writes no more.

        Where another attempt may still write, the job is among the ``remains`` again later.
        """
        ...

    def prune(self, *, finished_before: float, dead_before: float, most: int, limit: int) -> Sequence[Job]:
        """Forget jobs that ended before, dead ones before ``dead_before``, and the oldest over ``most``.

        ``limit`` bounds one call. The records as they were.
        """
        ...

    def ping(self) -> None: ...
