"""Making jobs, moving them along, and looking at them, for the suites of the job store."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import redis
from uuid_utils.compat import uuid7

from rag.errors import Conflict
from rag.model import Bounds, EventKind, Job, JobKind, JobState, Json, Lease, NewJob, Stage, Taken
from rag.ports import JobStore
from tests.deliveries import begin

T = TypeVar("T")
PROBLEM = {"type": "urn:aegis:problem:unavailable", "title": "away", "detail": "gone", "stage": "embed"}


def record_of(jobs: JobStore, job_id: str) -> Job:
    job = jobs.get(job_id)
    assert job is not None
    return job


def new_job(
    kind: JobKind = JobKind.INGEST,
    stage: Stage = Stage.PARSE,
    collection: str = "docs",
    deadline: float | None = None,
    owner: str = "",
) -> NewJob:
    inputs: Json = {"document_id": "d", "empty": {}, "list": [], "nested": {"ü": [1, None, True]}}
    return NewJob(str(uuid7()), kind, stage, collection, inputs, deadline, owner=owner)


def accepted(jobs: JobStore, job: NewJob | None = None) -> str:
    return jobs.accept(job or new_job()).job.id


def begun(jobs: JobStore, job_id: str, stage: Stage = Stage.PARSE, lease_seconds: float = 30) -> Lease:
    lease = begin(jobs, job_id, stage, lease_seconds=lease_seconds)
    assert lease is not None
    return lease


def ended(jobs: JobStore, state: JobState, owner: str = "") -> str:
    job_id = accepted(jobs, new_job(owner=owner))
    assert jobs.finish(begun(jobs, job_id), state)
    return job_id


def kinds(jobs: JobStore, job_id: str) -> list[str]:
    return [event.kind.value for event in jobs.events(job_id)]


def states(jobs: JobStore, job_id: str) -> list[tuple[str, str, int]]:
    return [
        (event.data["state"], event.data["stage"], event.data["attempts"])
        for event in jobs.events(job_id)
        if event.kind is EventKind.STATE
    ]


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What the calls return when all start in the same moment."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait(5)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def keys(client: redis.Redis) -> set[bytes]:
    """All names but of counts, of what ends by itself within minutes, and of whose turn it is."""
    passing = (b"ended:", b"worked:", b"statistics", b"turn:", b"turns:", b"absent:")
    others = tuple(b"{aegis}:" + name for name in passing)
    return {key for key in client.scan_iter("*") if not key.startswith(others)}


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except Conflict:
        return True
    return False


def all_pages(jobs: JobStore, **asked: object) -> list[str]:
    """All ids, page by page."""
    cursor, ids = None, []
    while True:
        window = jobs.page(**{"collections": None, "limit": 3, **asked}, cursor=cursor)
        assert len(window.items) <= 3
        ids += [job.id for job in window.items]
        cursor = window.next
        if cursor is None:
            return ids
        assert len(window.items) == 3, "only the last page is short"


def due(jobs: JobStore, *stages: Stage) -> list[tuple[Stage, str]]:
    """Stages with a due job, the ingestions' first one by default, and the oldest job of each."""
    found = jobs.due(stages or (Stage.PARSE,), lease_seconds=30)
    return [(each.stage, each.job_id) for each in found]


def take(jobs: JobStore, stage: Stage = Stage.PARSE, *, most: int = 1, worker: str | None = None) -> Taken:
    """Each time by another worker, unless one is named, so that what was taken stays so."""
    bounds = Bounds(jobs=most, size=64)
    return jobs.take(stage, lease_seconds=30, worker=worker or str(uuid7()), bounds=bounds)


def ids(taken: Taken) -> list[str]:
    return [lease.job.id for lease in taken.leases]


def pruned(jobs: JobStore, *, most: int = 100, limit: int = 10, **ago: float) -> list[str]:
    """``finished`` and ``dead``: seconds after which they go; unset: never."""
    before = {name: time.time() - ago.get(name, 1e6) for name in ("finished", "dead")}
    found = jobs.prune(finished_before=before["finished"], dead_before=before["dead"], most=most, limit=limit)
    return [job.id for job in found]
