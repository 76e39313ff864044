"""The shapes of answers, as OpenAPI shows them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.schemas.paging import encode_cursor
from rag.jobs.subjects import LONGEST, subject_of
from rag.model import (
    Collection,
    Document,
    Job,
    JobKind,
    JobState,
    Layout,
    LayoutState,
    Stage,
    Wait,
    WaitReason,
)
from rag.ports import Window
from rag.telemetry.tracing import trace_id_of
from rag.waits.conditions import ESTIMATE_ERROR

T = TypeVar("T")

PROBLEM_TYPE = "^urn:aegis:problem:[a-z]+(-[a-z]+)*$"


class Answer(BaseModel):
    @classmethod
    def copy_from(cls, source: object, **computed: Any) -> Self:
        """``computed`` fields, and every other one from the attribute of ``source`` with its name.

        Times of ``source`` are seconds since 1970. Nothing is validated, since the values are ours: for a
        result of many megabytes that would take long.
        """
        values: dict[str, Any] = {}
        for name in cls.model_fields.keys() - computed.keys():
            value = getattr(source, name)
            is_time = cls.model_fields[name].annotation in (datetime, datetime | None)
            values[name] = moment(value) if is_time and value is not None else value
        return super().model_construct(**values, **computed)


class Submitted(BaseModel):
    """The job is recorded and will be run."""

    job_id: str = Field(examples=["01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11"])
    document_id: str | None = Field(None, description="Of an ingest or deletion", examples=["guides/vpn.md"])
    status_url: str = Field(examples=["/v1/jobs/01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11"])
    survives: Literal["broker-loss", "broker-restart"] = Field(
        description="What may happen to the broker without the job being lost: the loss of all its data, "
        "or a restart with what it has on disk"
    )


class ProgressOut(BaseModel):
    done: int
    total: int = Field(description="0 while it is not known")


class SubjectOut(Answer):
    """What a job is about. A field that its kind does not have is null."""

    name: str = Field(
        description="The best name for people, on one line: one of the fields below",
        examples=["guides/vpn.md"],
    )
    collection: str | None = Field(description="Null of a job about all of them")
    document_id: str | None = Field(description="Of an ingest or deletion", examples=["guides/vpn.md"])
    title: str | None = Field(
        description="The one that was given, or the first words of a text without one; its first "
        f"{LONGEST} characters"
    )
    filename: str | None = Field(description="Of the file that was sent", examples=["vpn.md"])
    url: str | None = Field(description="Where the document is fetched from, without the query")
    question: str | None = Field(description=f"Its first {LONGEST} characters")
    model: str | None = Field(description="The embedding model of a reindex")
    backup: str | None = Field(description="The id of the one that is verified, rehearsed or restored")

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.copy_from(subject_of(job))


class WaitOut(Answer):
    """Why a job does not go on now."""

    reason: WaitReason = Field(
        description="queue, turn: others come first; bell: a worker is told in a moment; no-worker, "
        "worker-hung, worker-gone: of its lane; broker, vector-engine, model-server, blob-store, source, "
        "disk: it is away, or full; rate-limit; retry; other-job; records: they are rebuilt; deadline, beat: "
        "the job ends"
    )
    message: str = Field(description="In words, with what to do")
    error: str | None = Field(description="Of the last attempt, where it is the reason")
    since: datetime = Field(description="Since when it waits for that")
    until: datetime | None = Field(description="When the wait ends, where that is known")
    place: int | None = Field(description="In the queue of the stage, from 1")
    starts_at: datetime | None = Field(description="The estimated begin; null while nothing is known")
    estimate_error: float | None = Field(
        description="By how much of the rest of the wait half of all estimates are wrong at most, "
        "measured under steady load; null without an estimate",
        examples=[ESTIMATE_ERROR],
    )

    @classmethod
    def of(cls, wait: Wait) -> Self:
        estimated = wait.starts_at is not None and wait.starts_at != wait.until
        return cls.copy_from(wait, estimate_error=ESTIMATE_ERROR if estimated else None)


class JobOut(Answer):
    """A job in its present state. ``result`` depends on its kind; it is set when the job has succeeded,
    ``error`` when it has not."""

    id: str
    kind: JobKind
    subject: SubjectOut = Field(description="What it is about")
    state: JobState
    stage: Stage = Field(description="The stage that is next, at work, or was last")
    progress: ProgressOut
    queue_position: int | None = Field(description="Place in its stage's queue, from 1; null unless queued")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int = Field(description="How often a worker began the present stage")
    result: dict[str, JsonValue] | None
    error: dict[str, JsonValue] | None = Field(description="A problem that also has stage and attempts")
    waiting_for: WaitOut | None = Field(
        None,
        description="Why it does not go on now; null while a worker works it, when it is over, and in "
        "the answers of calls that change it",
    )
    trace_id: str | None = Field(
        None, description="Of the job's trace, where traces are kept; null when it is not traced"
    )
    batch_id: str | None = Field(None, description="The batch that it was submitted in; null for none")

    @classmethod
    def of(cls, job: Job, wait: Wait | None = None) -> Self:
        return cls.copy_from(
            job,
            subject=SubjectOut.of(job),
            waiting_for=WaitOut.of(wait) if wait else None,
            progress=ProgressOut(done=job.progress.done, total=job.progress.total),
            trace_id=trace_id_of(job.trace),
            batch_id=job.batch or None,
        )


class WarningOut(Answer):
    """What of a file was not read, or is doubtful."""

    kind: str = Field(
        description="`pages`, `parts`, `attachments`, `pictures` that were not read; `characters` that were "
        "guessed or lost. Later versions may add kinds"
    )
    count: int = Field(description="How many of them")
    text: str = Field(description="A sentence that names them")


class DocumentOut(Answer):
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
    warnings: list[WarningOut] = Field(description="What of its source was not read")
    parent: str | None = Field(None, description="The id of the mail that the document was attached to")
    attachments: list[str] = Field([], description="Of a mail: the ids of its attachments' documents")

    @classmethod
    def of(cls, document: Document) -> Self:
        return cls.copy_from(
            document,
            warnings=list(map(WarningOut.copy_from, document.warnings)),
            parent=document.parent or None,
            attachments=list(document.attachments),
        )


class LayoutOut(Answer):
    """A collection's vectors by one model. Writes go to all of its layouts."""

    number: int
    embedding_model: str
    dimension: int
    state: Literal["serving"] | LayoutState = Field(
        description="Searches use it; a reindex is building it; or it is kept for a rollback"
    )
    job_id: str | None = Field(description="The reindex that built it; null of the first")

    @classmethod
    def of(cls, layout: Layout, state: Literal["serving"] | LayoutState) -> Self:
        return cls.copy_from(layout, state=state, job_id=layout.job_id or None)


class CollectionOut(Answer):
    """Documents and their vectors; the counts are of what searches see now."""

    name: str
    embedding_model: str = Field(description="Of the layout that serves, as is the dimension")
    dimension: int
    documents: int
    chunks: int
    created_at: datetime
    layouts: list[LayoutOut] = Field(description="The one that serves first; two at most")

    @classmethod
    def of(cls, collection: Collection) -> Self:
        layouts = [LayoutOut.of(collection.serving, "serving")]
        if second := collection.second:
            layouts.append(LayoutOut.of(second.layout, second.state))
        return cls.copy_from(collection, layouts=layouts)


class Page(BaseModel, Generic[T]):
    """A page of a listing."""

    items: list[T]
    next: str | None = Field(description="The `cursor` of the following page; null at the end")


def page_of(items: Iterable[T], window: Window[Any], path: str) -> Page[T]:
    """``path``: the list's address; its cursors are valid for it alone."""
    following = encode_cursor(window.next, path) if window.next else None
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
    """``seconds`` since 1970, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
