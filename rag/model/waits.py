"""Why a job waits."""

from dataclasses import dataclass
from enum import StrEnum


class WaitReason(StrEnum):
    QUEUE = "queue"
    TURN = "turn"
    BELL = "bell"
    NO_WORKER = "no-worker"
    WORKER_HUNG = "worker-hung"
    WORKER_GONE = "worker-gone"
    BROKER = "broker"
    VECTOR_ENGINE = "vector-engine"
    MODEL_SERVER = "model-server"
    BLOB_STORE = "blob-store"
    SOURCE = "source"
    RATE_LIMIT = "rate-limit"
    DISK = "disk"
    RETRY = "retry"
    OTHER_JOB = "other-job"
    RECORDS = "records"
    DEADLINE = "deadline"
    BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Wait:
    """What a job waits for, since when, and until when where that is known.

    ``message``: the reason in words, and what to do. It names no host. ``error``: that of the last attempt,
    where it is the reason. ``place``: in the queue of the stage, from 1. ``starts_at``: the estimated begin.
    """

    reason: WaitReason
    message: str
    since: float
    until: float | None = None
    error: str | None = None
    place: int | None = None
    starts_at: float | None = None
