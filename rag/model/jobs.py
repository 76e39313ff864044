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
        """The stage in which a job of this kind with these ``inputs`` begins."""
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
    RECOGNISE = "recognise"
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
"""The stages in which jobs begin, each with a kind that begins there."""


@dataclass(frozen=True, slots=True)
class Progress:
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is accepted; ``inputs`` holds ids, blob keys and options, never documents.

    ``trace``: the trace context of its submit, a W3C ``traceparent``; None: it is not traced. ``owner``: the
    name of the key that submitted it; "" without keys, and for jobs of the service itself. ``batch``: the
    id of the batch that it was submitted in; "" for none.
    """

    id: str
    kind: JobKind
    stage: Stage
    collection: str
    inputs: Json
    deadline: float | None = None
    trace: str | None = None
    owner: str = ""
    batch: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a stage of a job that is not over waits for, as its record tells.

    ``ready_at``: the end of its last pause. ``waits_for``: what it pauses for, in words. ``failing_since``:
    when the first of the attempts in a row that failed did so. Of a running job, ``worker``: the name under
    which its worker holds it; ``renewed_at``: when it renewed its lease last, of ``lease`` seconds.
    ``own_place``: of a queued job, its place among those of its owner; None where no other owner waits.
    """

    own_place: int | None = None
    ready_at: float | None = None
    waits_for: str = ""
    failing_since: float | None = None
    worker: str = ""
    renewed_at: float | None = None
    lease: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """The record of a job. It alone says how the job stands; the queue only transports the job.

    ``attempts`` counts how often a worker began the present stage. ``token`` is the fencing token: only the
    holder of the newest one may write. ``retries`` counts the attempts after the first over all stages, and
    has a limit. ``reason`` is the class of a dead job's last error, a code of ``rag.errors`` or "crashed".
    ``timings`` are seconds by stage, with those of waiting under ``queue``. ``error`` of a job that goes on
    is that of its last attempt. ``trace``, ``owner`` and ``batch``: those of its :class:`NewJob`.
    ``standing``: what its stage waits for.
    """

    id: str
    kind: JobKind
    state: JobState
    stage: Stage
    collection: str
    inputs: Json
    created_at: float
    queued_at: float
    ready_at: float | None = None
    trace: str | None = None
    owner: str = ""
    batch: str = ""
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
    standing: Standing = Standing()


@dataclass(frozen=True, slots=True)
class StageFigures:
    """The jobs at a stage. ``queued``: all that no worker has begun, those that rest until later too.

    ``waiting``: those that a worker could begin now, and those whose lease is over. ``running``: those under
    a lease that lasts. ``waited``: the longest wait of a waiting job, in seconds; 0 without one.
    """

    queued: int
    waiting: int
    running: int
    waited: float


@dataclass(frozen=True, slots=True)
class JobFigures:
    """The state of the queue. ``open``: how many jobs are not over, by kind.

    ``waited``: the longest wait of a queued job by stage, in seconds; 0 without one. ``dead``: how many dead
    letters there are by reason; of very many, the oldest count under "older".
    """

    open: Mapping[JobKind, int]
    waited: Mapping[Stage, float]
    dead: Mapping[str, int]
    stages: Mapping[Stage, StageFigures]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one stage of one job, until a newer token is given out."""

    job: Job
    token: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """``job`` is the stored record; ``new`` False: an earlier submit had the same key and body."""

    job: Job
    new: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a batch: at most so many ``jobs``, of at most ``size`` together unless it is one job."""

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
    """The new events of several jobs, read at one instant.

    ``events``: those of all jobs in the order of their ids, each with its job's id. Pieces of answers are
    left out. ``read``: for each job with news, the id of the last event that was read. ``over``: the jobs
    that get no more events. ``long``: jobs whose result is long; ``data`` of their result is empty, and the
    job's record has it.
    """

    events: tuple[tuple[str, JobEvent], ...]
    read: Mapping[str, str]
    over: frozenset[str]
    long: frozenset[str]
