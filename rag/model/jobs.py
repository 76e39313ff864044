"""Jobs: what they do next, their records, and their events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rag.model.values import Json


class JobKind(StrEnum):
    INGEST = "ingest"
    QUERY = "query"
    DELETE = "delete"
    REINDEX = "reindex"
    BACKUP = "backup"
    VERIFY = "verify"
    REHEARSE = "rehearse"
    RESTORE = "restore"
    PRUNE = "prune"

    def first_stage(self, inputs: Json) -> "Stage":
        """Where a job of this kind begins, given its ``inputs``."""
        if self is JobKind.INGEST and "url" in inputs:
            return Stage.FETCH
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

    FETCH = "fetch"
    PARSE = "parse"
    EMBED = "embed"
    INDEX = "index"
    EMBED_QUERY = "embed_query"
    SEARCH = "search"
    RERANK = "rerank"
    GENERATE = "generate"
    PURGE = "purge"
    REEMBED = "reembed"
    COMPARE = "compare"
    SNAPSHOT = "snapshot"
    UPLOAD = "upload"
    SEAL = "seal"
    VERIFY = "verify"
    LOAD = "load"
    CHECK = "check"
    SWITCH = "switch"
    REPLAY = "replay"
    PRUNE = "prune"


_FIRST_STAGE = {
    JobKind.INGEST: Stage.PARSE,
    JobKind.QUERY: Stage.EMBED_QUERY,
    JobKind.DELETE: Stage.PURGE,
    JobKind.REINDEX: Stage.REEMBED,
    JobKind.BACKUP: Stage.SNAPSHOT,
    JobKind.VERIFY: Stage.VERIFY,
    JobKind.REHEARSE: Stage.VERIFY,
    JobKind.RESTORE: Stage.VERIFY,
    JobKind.PRUNE: Stage.PRUNE,
}
FIRST_STAGES = {**{stage: kind for kind, stage in _FIRST_STAGE.items()}, Stage.FETCH: JobKind.INGEST}
"""Where jobs begin, and a kind that does so there."""


@dataclass(frozen=True, slots=True)
class Progress:
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is accepted; ``inputs`` holds ids, blob keys and options, never documents.

    ``trace``: the trace context of its submit, a W3C ``traceparent``; None: it is not traced.
    ``owner``: name of the key that handed it in; "" without keys, and for what the service does itself.
    """

    id: str
    kind: JobKind
    stage: Stage
    collection: str
    inputs: Json
    deadline: float | None = None
    trace: str | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """The job record, the truth about a job; the queue is only its transport.

    ``attempts`` counts how often a worker began the present stage. ``token`` is the
    fence: only the holder of the newest one may write. ``retries`` counts the attempts after the
    first, over all stages: the job's budget. ``reason`` is the class of a dead job's last error, a
    code of ``rag.errors`` or "crashed". ``timings`` are seconds by stage, and ``queue`` those
    spent waiting. ``error`` of a job that is not over is that of its last attempt. ``trace`` and
    ``owner``: those of its :class:`NewJob`.
    """

    id: str
    kind: JobKind
    state: JobState
    stage: Stage
    collection: str
    inputs: Json
    created_at: float
    queued_at: float
    trace: str | None = None
    owner: str = ""
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


@dataclass(frozen=True, slots=True)
class Accepted:
    """``job`` is the stored record; ``new`` False: an earlier submit had the same key and body."""

    job: Job
    new: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of what is taken together: so many ``jobs``, which are of ``size`` at most unless it is one alone."""

    jobs: int
    size: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Jobs that a worker began together. ``left``: the id of another one that is due at the stage."""

    leases: tuple[Lease, ...]
    left: str | None = None


@dataclass(frozen=True, slots=True)
class DueStage:
    """A stage at which jobs are due, and the id of the oldest of them."""

    stage: Stage
    job_id: str


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


@dataclass(frozen=True, slots=True)
class JobNews:
    """What happened to several jobs, read at one instant.

    ``events`` are of all jobs together, in the order of their ids, each with its job's id. They are without
    the pieces of answers; of a result, ``data`` is empty: it is in the job's record. ``read``: the id of the
    last event that was read, of each job that has news. ``over``: the jobs that get no more events.
    """

    events: tuple[tuple[str, JobEvent], ...]
    read: Mapping[str, str]
    over: frozenset[str]
