"""Finds out why a job waits. Each check looks for one reason; the first that finds its reason decides."""

from collections.abc import Callable, Mapping

from rag.model import Job, JobState, Stage, Wait, WaitReason
from rag.redis.heartbeats import VECTORS
from rag.waits.conditions import Conditions

GRACE_SECONDS = 3.0
"""How long a lease that has run out may still be renewed."""

CANARY_SECONDS = 5.0
"""Time between two looks of a lane's workers for due jobs that no message told of."""

_TOLD_WITHIN = 2.0
"""Seconds within which a worker that rests has usually begun a due job."""

_MISSED = 0.7
"""Part of a lease after which its worker, which renews it after a third, has missed two renewals."""

Check = Callable[[Job, Conditions], Wait | None]


def wait_of(job: Job, conditions: Conditions) -> Wait | None:
    """Why the job does not go on now; None of one that is over, or worked by a worker that is alive."""
    if job.state.final:
        return None
    checks = _RUNNING if job.state is JobState.RUNNING else _QUEUED
    return next((wait for check in checks if (wait := check(job, conditions))), None)


def _ready_at(job: Job) -> float:
    """When the job is due; one that never rested is due since it was queued."""
    return max(job.queued_at, job.standing.ready_at or 0.0)


def _find_lost_worker(job: Job, conditions: Conditions) -> Wait | None:
    standing = job.standing
    renewed_at, lease = standing.renewed_at or job.queued_at, standing.lease or 0.0
    silent = conditions.now - renewed_at
    shows_life = any(sign.holder == standing.worker for sign in conditions.workers(job.stage))
    if silent <= lease and (shows_life or silent < _MISSED * lease):
        return None
    others = any(sign.holder != standing.worker for sign in conditions.workers(job.stage))
    next_step = (
        "another worker takes the job over"
        if others
        else f"no other worker of lane {_lane(job, conditions)} is there: start one"
    )
    message = f"The worker that had begun it does not answer any more; when its lease is over, {next_step}"
    until = renewed_at + lease + GRACE_SECONDS if others else None
    return Wait(WaitReason.WORKER_GONE, message, renewed_at, until=until)


def _find_missed_deadline(job: Job, conditions: Conditions) -> Wait | None:
    if job.deadline is None or job.deadline > conditions.now:
        return None
    if conditions.signs.beats:
        message = "Its deadline has passed, so it ends as failed within a minute"
        return Wait(WaitReason.DEADLINE, message, job.deadline)
    message = "Its deadline has passed, but beat, which has such jobs ended, shows no sign of life: start it"
    return Wait(WaitReason.BEAT, message, job.deadline)


def _find_missing_workers(job: Job, conditions: Conditions) -> Wait | None:
    workers, lane = conditions.workers(job.stage), _lane(job, conditions)
    if not workers:
        message = f"No worker of lane {lane} shows a sign of life: start one, or look into its log"
        return Wait(WaitReason.NO_WORKER, message, _ready_at(job), place=job.queue_position)
    if all(sign.hang() for sign in workers):
        message = f"No worker of lane {lane} takes tasks any more: restart it, its log tells what it did last"
        return Wait(WaitReason.WORKER_HUNG, message, _ready_at(job), place=job.queue_position)
    return None


def _find_failure(job: Job, conditions: Conditions) -> Wait | None:
    """The attempts fail, for a reason that may pass. Between them the job rests."""
    standing, error = job.standing, job.error
    if error is None or standing.failing_since is None:
        return None
    reason, ready_at = _reason_of(job.stage, error), _ready_at(job)
    rests = ready_at > conditions.now
    message = f"{_FAILURES[reason]}. It is tried again by itself, this was attempt {max(1, job.attempts)}"
    return Wait(
        reason,
        message,
        standing.failing_since,
        until=ready_at if rests else None,
        error=str(error.get("detail") or error.get("title") or ""),
        place=job.queue_position,
        starts_at=ready_at if rests else _start_of(job, conditions),
    )


def _find_pause(job: Job, conditions: Conditions) -> Wait | None:
    ready_at = _ready_at(job)
    if ready_at <= conditions.now:
        return None
    for_what = job.standing.waits_for
    reason = WaitReason.OTHER_JOB if for_what else WaitReason.RETRY
    message = f"It waits for {for_what}" if for_what else "It goes on after a short pause"
    return Wait(reason, message, job.queued_at, until=ready_at, starts_at=ready_at)


def _find_missing_engine(job: Job, conditions: Conditions) -> Wait | None:
    """Workers that search report whether the engine answers. Without such a worker nothing is known."""
    if _NEEDS.get(job.stage) is not WaitReason.VECTOR_ENGINE or VECTORS in conditions.signs.components:
        return None
    if not conditions.workers(Stage.SEARCH):
        return None
    message = _FAILURES[WaitReason.VECTOR_ENGINE]
    return Wait(WaitReason.VECTOR_ENGINE, message, _ready_at(job), place=job.queue_position)


def _find_lost_bell(job: Job, conditions: Conditions) -> Wait | None:
    since = _ready_at(job)
    if conditions.now - since < _TOLD_WITHIN or not conditions.rests(job.stage):
        return None
    until = conditions.now + CANARY_SECONDS
    if not conditions.able:
        message = (
            "Messages do not reach the queue: see the API's log. Workers look for jobs every five seconds"
        )
        return Wait(WaitReason.BROKER, message, since, until=until, place=job.queue_position)
    message = "A worker rests, and no message told it of the job: it looks by itself every five seconds"
    return Wait(WaitReason.BELL, message, since, until=until, place=job.queue_position)


def _find_place(job: Job, conditions: Conditions) -> Wait:
    place, own, lane = job.queue_position or 1, job.standing.own_place, _lane(job, conditions)
    reason = WaitReason.QUEUE if own is None else WaitReason.TURN
    message = f"{place - 1} jobs come before it in lane {lane}" if place > 1 else f"It is next in lane {lane}"
    if own is not None:
        message += f": keys take turns there, and it is number {own} of its key's jobs"
    return Wait(reason, message, _ready_at(job), place=place, starts_at=_start_of(job, conditions))


_RUNNING: tuple[Check, ...] = (_find_lost_worker,)
_QUEUED: tuple[Check, ...] = (
    _find_missed_deadline,
    _find_missing_workers,
    _find_failure,
    _find_pause,
    _find_missing_engine,
    _find_lost_bell,
    _find_place,
)


def _lane(job: Job, conditions: Conditions) -> str:
    return conditions.lane_of(job.stage)


def _start_of(job: Job, conditions: Conditions) -> float | None:
    return conditions.start_at(job.stage, job.queue_position or 1)


# --- what a failed attempt lacked

_NEEDS: Mapping[Stage, WaitReason] = {
    **dict.fromkeys(
        (Stage.EMBED, Stage.EMBED_QUERY, Stage.RERANK, Stage.GENERATE, Stage.REEMBED, Stage.COMPARE),
        WaitReason.MODEL_SERVER,
    ),
    **dict.fromkeys(
        (Stage.INDEX, Stage.SEARCH, Stage.PURGE, Stage.SNAPSHOT, Stage.LOAD, Stage.CHECK, Stage.SWITCH),
        WaitReason.VECTOR_ENGINE,
    ),
    **dict.fromkeys(
        (Stage.PARSE, Stage.UPLOAD, Stage.SEAL, Stage.VERIFY, Stage.REPLAY, Stage.PRUNE),
        WaitReason.BLOB_STORE,
    ),
    Stage.FETCH: WaitReason.SOURCE,
}
"""What is away when the stage's work raises Unavailable and does not name anything else."""

_SUBJECTS: tuple[tuple[str, WaitReason], ...] = (
    ("Redis", WaitReason.BROKER),
    ("the broker", WaitReason.BROKER),
    ("the vector engine", WaitReason.VECTOR_ENGINE),
    ("token vectors", WaitReason.VECTOR_ENGINE),
    ("Qdrant", WaitReason.VECTOR_ENGINE),
    ("Blob store", WaitReason.BLOB_STORE),
    ("Backup store", WaitReason.BLOB_STORE),
)
"""How the messages of errors begin, as the adapters write them."""

_CODES: Mapping[str, WaitReason] = {
    "overloaded": WaitReason.RATE_LIMIT,
    "no-room": WaitReason.DISK,
}
_AWAY = ("unavailable", "timed-out")
_OWN_LIMIT = "The stage took too long"

_FAILURES: Mapping[WaitReason, str] = {
    WaitReason.BROKER: "The broker is away: see `aegis doctor`",
    WaitReason.RECORDS: "Redis lost its records, and they are being rebuilt",
    WaitReason.VECTOR_ENGINE: "The vector engine is away: see `aegis doctor`",
    WaitReason.MODEL_SERVER: "A model's server is away: see `aegis doctor`",
    WaitReason.BLOB_STORE: "The store of documents or backups is away: see `aegis doctor`",
    WaitReason.SOURCE: "The address of the document does not answer",
    WaitReason.RATE_LIMIT: "A server limits our calls: it named the time to come back, or has too much to do",
    WaitReason.DISK: "A disk is full: make room on it",
    WaitReason.RETRY: "The last attempt failed",
}


def _reason_of(stage: Stage, error: Mapping[str, object]) -> WaitReason:
    """What the last attempt lacked, by the error's code, the words that it begins with, and the stage."""
    code, detail = str(error["type"]).rpartition(":")[2], str(error.get("detail", ""))
    subject = next((reason for words, reason in _SUBJECTS if detail.startswith(words)), None)
    if subject is WaitReason.BROKER and "lost its records" in detail:
        return WaitReason.RECORDS
    if code in _CODES:
        return _CODES[code]
    if code not in _AWAY or detail.startswith(_OWN_LIMIT):
        return WaitReason.RETRY
    return subject or _NEEDS[stage]
