"""The nouns, frozen. Times are Unix seconds (float, UTC) unless a name says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]
Vector = NDArray[np.float32]


class JobKind(StrEnum):
    INGEST = "ingest"
    QUERY = "query"
    DELETE = "delete"

    @property
    def first_stage(self) -> "Stage":
        """Where a job of this kind begins."""
        return _FIRST_STAGE[self]


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"

    @property
    def final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Stage(StrEnum):
    """What a job does next; each stage belongs to one lane of ``tasks.app``."""

    PARSE = "parse"
    EMBED = "embed"
    INDEX = "index"
    EMBED_QUERY = "embed_query"
    SEARCH = "search"
    RERANK = "rerank"
    GENERATE = "generate"
    PURGE = "purge"


_FIRST_STAGE = {
    JobKind.INGEST: Stage.PARSE,
    JobKind.QUERY: Stage.EMBED_QUERY,
    JobKind.DELETE: Stage.PURGE,
}


# --- documents ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at character ``start`` of the text; ``level`` 1 is the outermost."""

    start: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """Page ``number`` (from 1) covers the characters ``start <= i < end`` of the text."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser makes of a file: plain text or Markdown, and where things stand in it."""

    text: str
    title: str | None = None
    headings: tuple[Heading, ...] = ()
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: ``document.text[start:end] == text``, of ``tokens`` model tokens."""

    index: int
    text: str
    start: int
    end: int
    tokens: int
    page: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the registry knows it: the version that searches see now.

    ``fingerprint`` names everything that the points depend on (bytes, title, metadata,
    model, chunking): the same fingerprint means there is nothing to do.
    ``text_key`` is the blob that holds the parsed text that offsets point into.
    """

    document_id: str
    collection: str
    generation: int
    version: int
    fingerprint: str
    title: str
    media_type: str
    source_key: str
    text_key: str
    chunks: int
    tokens: int
    created_at: float
    updated_at: float
    metadata: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents embedded by one model; counts are of live versions.

    ``generation`` counts how often a collection of this name was made, so that what is
    left of a dropped one never mixes with its successor. ``revision`` counts what was published
    and deleted in it: while it stays the same, so do the answers.
    """

    name: str
    generation: int
    embedding_model: str
    dimension: int
    created_at: float
    documents: int = 0
    chunks: int = 0
    revision: int = 0

    @property
    def store(self) -> str:
        """The name under which a vector store keeps its points."""
        return f"{self.name}-{self.generation}"


@dataclass(frozen=True, slots=True)
class Removal:
    """What a deletion leaves to be purged: a document up to ``version``, or a whole generation.

    ``job_id``: of the job that is to do it. ``document_id`` None: everything of the collection.
    ``blobs``: keys of the document's.
    """

    job_id: str
    collection: str
    generation: int
    document_id: str | None = None
    version: int = 0
    blobs: tuple[str, ...] = ()


# --- vectors -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights: ``indices`` (uint32, unique, ascending) and as many ``values`` (float32)."""

    indices: NDArray[np.uint32]
    values: Vector


@dataclass(frozen=True, slots=True)
class Embedding:
    """One text as a model sees it.

    dense: (dimension,) float32, unit length.
    tokens: (tokens, token_dimension) float16, rows of unit length, or None where the
        model gives none (then reranking has to read the text).
    weights: (tokens,) float32, how much each query token counts; None on passages.
    """

    dense: Vector
    tokens: NDArray[np.float16] | None = None
    weights: Vector | None = None


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """How a collection is laid out in a vector store; ``token_dimension`` None: none stored."""

    dimension: int
    token_dimension: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """What a point carries beside its vectors; ``chunk_id`` is the point id (a UUID string)."""

    chunk_id: str
    document_id: str
    version: int
    index: int
    text: str
    title: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    passage: Passage
    dense: Vector
    sparse: SparseVector
    tokens: NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    document_id: str
    version: int


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A hybrid query. ``where`` is a filter on metadata, ``exclude`` hides stale versions."""

    dense: Vector
    sparse: SparseVector
    limit: int
    where: Json = field(default_factory=dict)
    exclude: tuple[DocumentVersion, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage and its score; higher is better, comparable within one answer."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hit on its way through reranking, with the vectors that a bundled reranker reads."""

    hit: Hit
    dense: Vector | None = None
    tokens: NDArray[np.float16] | None = None


# --- answers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Citation:
    """``[n]`` in the answer: characters ``start:end`` of the document's text, quoted in ``text``."""

    n: int
    passage: Passage
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """``found`` False: an honest "not found", then there are no citations.

    ``reasoning``: what a model that thinks wrote before the answer, never part of it.
    """

    text: str
    citations: tuple[Citation, ...]
    found: bool
    reasoning: str = ""


# --- jobs --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is accepted; ``inputs`` holds ids, blob keys and options, never documents."""

    id: str
    kind: JobKind
    stage: Stage
    collection: str
    inputs: Json
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """The job record, the truth about a job; the queue is only its transport.

    ``attempts`` counts how often a worker began the present stage. ``token`` is the
    fence: only the holder of the newest one may write. ``retries`` counts the attempts after the
    first, over all stages: the job's budget. ``reason`` is the class of a dead job's last error, a
    code of ``rag.errors`` or "crashed". ``timings`` are seconds by stage, and
    ``queue`` those spent waiting. ``error`` of a job that is not over is that of its last attempt.
    """

    id: str
    kind: JobKind
    state: JobState
    stage: Stage
    collection: str
    inputs: Json
    created_at: float
    queued_at: float
    started_at: float | None = None
    finished_at: float | None = None
    deadline: float | None = None
    attempts: int = 0
    token: int = 0
    retries: int = 0
    reason: str | None = None
    progress: Progress = Progress()
    queue_position: int | None = None
    result: Json | None = None
    error: Json | None = None
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobFigures:
    """How the queue stands. ``open``: jobs that are not over, by kind.

    ``waited``: seconds that the job queued longest at each stage has waited there, 0 without
    one. ``dead``: dead letters by reason; the oldest of very many under "older".
    """

    open: Mapping[JobKind, int]
    waited: Mapping[Stage, float]
    dead: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one stage of one job, until somebody holds a newer token."""

    job: Job
    token: int


class EventKind(StrEnum):
    STATE = "state"
    PROGRESS = "progress"
    TOKEN = "token"  # noqa: S105 - an event name, not a secret
    RESULT = "result"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """``id`` orders the events of one job and is what ``Last-Event-ID`` carries."""

    id: str
    kind: EventKind
    data: Json
