"""Jobs and documents that were promised before a loss, and what is found of them after it."""

from dataclasses import replace
from typing import Any

from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.model import Document, Job, JobKind, JobState, Lease, NewJob, Stage
from rag.ports import Window
from tests.deliveries import begin
from workers.tools import Tools

MODEL = "all-MiniLM-L6-v2"
PROBLEM = {"type": "urn:aegis:problem:unavailable", "title": "away", "detail": "gone – weg"}


def submitted(tools: Tools, document_id: str = "a", key: str | None = None) -> Job:
    tools.documents.put_collection("docs", MODEL, 384)
    version = tools.documents.next_version("docs", document_id)
    inputs = {"document_id": document_id, "version": version, "generation": 1}
    job = NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", inputs)
    return tools.jobs.accept(job, idempotency_key=key, body_digest="d").job


def asked(tools: Tools, deadline: float | None = 4_000_000_000.5) -> Job:
    job = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "docs", {"question": "Ü?"}, deadline)
    return tools.jobs.accept(job).job


def begun(tools: Tools, job: Job, stage: Stage) -> Lease:
    lease = begin(tools.jobs, job.id, stage, lease_seconds=30)
    assert lease is not None
    return lease


def over(tools: Tools, job: Job, state: JobState = JobState.SUCCEEDED) -> Job:
    lease = begun(tools, job, job.stage)
    well = state is JobState.SUCCEEDED
    result, error = ({"x": "ü"}, None) if well else (None, PROBLEM)
    assert tools.jobs.finish(lease, state, seconds=0.5, result=result, error=error)
    return found(tools, job)


def found(tools: Tools, job: Job) -> Job:
    record = tools.jobs.get(job.id)
    assert record is not None
    return record


def to_run(tools: Tools) -> list[str]:
    """Ids of the jobs that wait for a worker, which is told of them."""
    queued = tools.jobs.page(states=(JobState.QUEUED,), collections=None, cursor=None, limit=100).items
    assert bool(queued) == bool(tools.jobs.due(tuple(Stage), lease_seconds=30))
    return [job.id for job in reversed(queued)]


def document(version: int, document_id: str = "a", **changes: Any) -> Document:
    plain = Document(
        document_id=document_id,
        collection="docs",
        generation=1,
        version=version,
        fingerprint="f",
        title="t",
        media_type="text/plain",
        source_key="s",
        text_key="t",
        chunks=2,
        tokens=9,
        created_at=1.5,
        updated_at=2.5,
        metadata={"ü": [1, None]},
    )
    return replace(plain, **changes)


def published(tools: Tools, document_id: str = "a") -> Document:
    tools.documents.put_collection("docs", MODEL, 384)
    made = document(tools.documents.next_version("docs", document_id), document_id)
    assert tools.documents.publish(made)
    return made


def all_documents(tools: Tools) -> Window[Document]:
    return tools.documents.page("docs", cursor=None, limit=100)


def listed(tools: Tools) -> list[str]:
    return [job.id for job in tools.jobs.page(collections=None, cursor=None, limit=99).items]


def failing(*_: Any, **__: Any) -> None:
    raise Unavailable("the disk is full")
