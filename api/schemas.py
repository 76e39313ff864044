"""What callers get: the shapes of answers, as OpenAPI shows them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.paging import sealed
from rag.model import Collection, Document, Job, JobKind, JobState, Layout, LayoutState, Stage
from rag.ports import Window
from rag.subjects import LONGEST, subject_of
from rag.tracing import trace_id_of

T = TypeVar("T")

PROBLEM_TYPE = "^urn:aegis:problem:[a-z]+(-[a-z]+)*$"


class Submitted(BaseModel):
    """The job is recorded and will be run."""

    job_id: str = Field(examples=["01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11"])
    document_id: str | None = Field(
        None, description="Of an ingestion or deletion", examples=["guides/vpn.md"]
    )
    status_url: str = Field(examples=["/v1/jobs/01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11"])
    survives: Literal["broker-loss", "broker-restart"] = Field(
        description="What may happen to the broker without the job being lost: that all its data is gone, "
        "or that it is started again with what it has on disk"
    )


class ProgressOut(BaseModel):
    done: int
    total: int = Field(description="0 while it is not known")


class SubjectOut(BaseModel):
    """What a job is about. What does not go with its kind is null."""

    name: str = Field(
        description="What names it to a person, in one line: the best of what follows",
        examples=["guides/vpn.md"],
    )
    collection: str | None = Field(description="Null of a job about all of them")
    document_id: str | None = Field(description="Of an ingestion or deletion", examples=["guides/vpn.md"])
    title: str | None = Field(
        description="The one that was given, or the first words of a text that came without; its first "
        f"{LONGEST} characters"
    )
    filename: str | None = Field(description="Of the file that was sent", examples=["vpn.md"])
    url: str | None = Field(description="Where the document is fetched from, without the query")
    question: str | None = Field(description=f"Its first {LONGEST} characters")
    model: str | None = Field(description="That a reindex embeds by")
    backup: str | None = Field(description="The id of the one that is verified, rehearsed or restored")

    @classmethod
    def of(cls, job: Job) -> "SubjectOut":
        subject = subject_of(job)
        return cls.model_construct(**{name: getattr(subject, name) for name in cls.model_fields})


class JobOut(BaseModel):
    """A job as it stands. ``result`` is of its kind and there when it succeeded, ``error`` when not."""

    id: str
    kind: JobKind
    subject: SubjectOut = Field(description="What it is about")
    state: JobState
    stage: Stage = Field(description="What is done next or now, or was done last")
    progress: ProgressOut
    queue_position: int | None = Field(
        description="Place in the queue of its stage, from 1; null unless queued"
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int = Field(description="How often a worker began the present stage")
    result: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None = Field(
        description="A problem with type, title, detail, stage and attempts"
    )
    trace_id: str | None = Field(
        None, description="Of the job's trace, where traces are kept; null when it is not traced"
    )

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        return cls.model_construct(
            id=job.id,
            kind=job.kind,
            subject=SubjectOut.of(job),
            state=job.state,
            stage=job.stage,
            progress=ProgressOut(done=job.progress.done, total=job.progress.total),
            queue_position=job.queue_position,
            created_at=moment(job.created_at),
            started_at=moment_or_none(job.started_at),
            finished_at=moment_or_none(job.finished_at),
            attempts=job.attempts,
            result=job.result,
            error=job.error,
            trace_id=trace_id_of(job.trace),
        )


class DocumentOut(BaseModel):
    """The version of a document that searches see now."""

    document_id: str
    collection: str
    version: int
    title: str
    media_type: str
    chunks: int
    tokens: int
    metadata: dict[str, JsonValue]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: Document) -> "DocumentOut":
        return cls.model_construct(
            document_id=document.document_id,
            collection=document.collection,
            version=document.version,
            title=document.title,
            media_type=document.media_type,
            chunks=document.chunks,
            tokens=document.tokens,
            metadata=document.metadata,
            created_at=moment(document.created_at),
            updated_at=moment(document.updated_at),
        )


class LayoutOut(BaseModel):
    """A collection's vectors by one model. What is written goes to all of its layouts."""

    number: int
    embedding_model: str
    dimension: int
    state: Literal["serving"] | LayoutState = Field(
        description="What searches see; being built by a reindex; or kept so that one can be taken back"
    )
    job_id: str | None = Field(description="The reindex that built it; null of the first")

    @classmethod
    def of(cls, layout: Layout, state: Literal["serving"] | LayoutState) -> "LayoutOut":
        return cls.model_construct(
            number=layout.number,
            embedding_model=layout.embedding_model,
            dimension=layout.dimension,
            state=state,
            job_id=layout.job_id or None,
        )


class CollectionOut(BaseModel):
    """Documents and their vectors; the counts are of what searches see now."""

    name: str
    embedding_model: str = Field(description="Of the layout that serves, as is the dimension")
    dimension: int
    documents: int
    chunks: int
    created_at: datetime
    layouts: list[LayoutOut] = Field(description="The one that serves first; two at most")

    @classmethod
    def of(cls, collection: Collection) -> "CollectionOut":
        return cls.model_construct(
            name=collection.name,
            embedding_model=collection.embedding_model,
            dimension=collection.dimension,
            documents=collection.documents,
            chunks=collection.chunks,
            created_at=moment(collection.created_at),
            layouts=_layouts(collection),
        )


def _layouts(collection: Collection) -> list[LayoutOut]:
    serving, second = LayoutOut.of(collection.serving, "serving"), collection.second
    return [serving, LayoutOut.of(second.layout, second.state)] if second else [serving]


class Page(BaseModel, Generic[T]):
    """A page of a listing."""

    items: list[T]
    next: str | None = Field(description="The `cursor` of the following page; null at the end")


def page_of(items: Iterable[T], window: Window[Any], of: str) -> Page[T]:
    """``of``: the list's address, for which its cursors are good."""
    following = sealed(window.next, of) if window.next else None
    return Page[Any].model_construct(items=list(items), next=following)


class Fault(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    where: str = Field(alias="in", description="body, query, path or header")
    field: str
    detail: str
    pointer: str | None = Field(None, description="JSON pointer into the body")


class Problem(BaseModel):
    """RFC 9457."""

    type: str = Field(
        pattern=PROBLEM_TYPE,
        description="urn:aegis:problem:CODE, which keeps its meaning",
        examples=["urn:aegis:problem:not-found"],
    )
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = Field(None, description="Of fields that do not fit, the first 20")


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def moment_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)
