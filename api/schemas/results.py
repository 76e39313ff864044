"""Jobs and their results as OpenAPI shows them: a shape for each kind, told apart by ``kind``.

Nothing is made from these models: a result goes from the record to the caller unchanged. A test compares what
the stages make with these shapes.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue, create_model

from api.schemas.answers import PROBLEM_TYPE, JobOut, WarningOut
from rag.model import JobKind, Reason, Stage


class IngestResult(BaseModel):
    document_id: str
    version: int
    chunks: int = Field(description="Passages that the document was cut into")
    tokens: int
    unchanged: bool = Field(description="The same content was there already, so nothing was done")
    superseded: bool | None = Field(
        None, description="True: a newer version of the document was published meanwhile; else absent"
    )
    warnings: list[WarningOut] | None = Field(
        None, description="What of the document was not read; absent where all of it was"
    )
    attachments: list[str] | None = Field(
        None, description="Of a mail: the documents that its attachments become, by jobs of their own"
    )


class RecognisedOut(BaseModel):
    """The passage is of a picture, whose text was recognised."""

    confidence: float = Field(description="0 to 1: how sure the recognition was of its least sure page")


class PlaceOut(BaseModel):
    """A passage of a document: characters `start` to `end` of its text."""

    document_id: str
    parent: str | None = Field(None, description="The id of the mail that the document was attached to")
    chunk_id: str
    title: str
    headings: list[str] = Field(description="That the passage stands under, from the outermost")
    page: int | None
    recognised: RecognisedOut | None = Field(
        None, description="Of a passage of scans or pictures, whose text may have errors; else absent"
    )
    start: int
    end: int
    text: str
    score: float
    metadata: dict[str, JsonValue]
    url: str = Field(description="Of the console's page that shows the document, with the quoted text marked")
    chunk_url: str = Field(description="Of the passage in the API")


class CitationOut(PlaceOut):
    """What `[n]` in the answer stands for."""

    n: int


class TimingsOut(BaseModel):
    """Milliseconds by stage; `queue`: in which no stage worked on the question."""

    queue: float
    embed: float
    search: float
    rerank: float
    generate: float
    total: float


class NotFoundOut(BaseModel):
    """Why a question has no answer from the documents."""

    reason: Reason
    message: str
    lacking: list[str] | None = Field(
        None,
        description="With `differs_in`: the names, versions, years and the like that the question has and "
        "the passages lack; else absent",
    )


class QueryResult(BaseModel):
    answer: str | None = Field(description="Null where none was asked for: `generate` false")
    citations: list[CitationOut] = Field(description="Empty where the documents do not tell")
    hits: list[PlaceOut] = Field(description="The passages after reranking, the best first")
    generator: str | None
    reasoning: str | None = Field(
        None, description="The model's reasoning before its answer, where it wrote any"
    )
    cached: bool = Field(description="Kept from an earlier question")
    not_found: NotFoundOut | None = Field(
        None, description="Why nothing was found: no citations, or, where no answer was asked for, no hits"
    )
    pending_documents: int | None = Field(
        None,
        description="Where nothing was found: documents of the collection still on their way; else absent",
    )
    timings_ms: TimingsOut


class DeleteResult(BaseModel):
    document_id: str | None = Field(description="Null: the whole collection was deleted")
    collection: str


class ReindexResult(BaseModel):
    """`recall`, `mrr` and `overlap` are of sampled sentences, and absent where the comparison was lost."""

    collection: str
    embedding_model: str
    dimension: int
    layout: int
    documents: int
    chunks: int
    sentences: int | None = None
    questions: int | None = None
    recall_before: float | None = None
    recall_after: float | None = None
    mrr_before: float | None = None
    mrr_after: float | None = None
    overlap: float | None = None
    missing: int | None = Field(None, description="Passages that were not there to be embedded")


class BackupResult(BaseModel):
    backup: str = Field(description="Its id")
    mode: str
    collections: list[str]
    documents: int
    points: int
    lacking: int = Field(description="Documents of which the engine lacked points")
    bytes: int = Field(description="Of the whole backup")
    sent: int = Field(description="Bytes that the bucket did not hold yet")
    seconds: float
    missing: list[str] = Field(description="What is left out, a line each")


class VerifyResult(BaseModel):
    backup: str
    objects: int
    bytes: int
    seconds: float


class GoldenOut(BaseModel):
    """Questions that the backup has with their hits; `overlap`: the part of these that was found again."""

    asked: int
    same: int
    overlap: float


class RestoredCollectionOut(BaseModel):
    name: str = Field(description="As the backup has it")
    into: str | None
    generation: int
    documents: int
    points: int
    golden: GoldenOut


class RehearseResult(BaseModel):
    backup: str
    collections: list[RestoredCollectionOut]
    documents: int
    points: int
    golden: int = Field(description="Golden queries that were asked")
    overlap: float = Field(description="Mean part of their hits that was found again")
    bytes: int
    seconds: float


class RestoreResult(RehearseResult):
    jobs: int = Field(description="Job records that were brought back")
    dead_letters: int
    keys: int
    replayed: int = Field(description="Ingestions since the backup that were done again")
    reingested: int
    not_replayed: list[str]
    undeleted: list[str] = Field(description="Documents that were deleted after the backup, and are back")
    missing: list[str]


class PruneResult(BaseModel):
    kept: int
    removed: int
    released: int
    objects: int
    bytes: int
    locked: int


class JobError(BaseModel):
    """Why a job did not succeed: a problem, with the stage where it ended."""

    type: str = Field(pattern=PROBLEM_TYPE, examples=["urn:aegis:problem:unreadable-document"])
    title: str
    detail: str
    stage: Stage | None = None
    attempts: int | None = None


RESULTS: Mapping[JobKind, type[BaseModel]] = {
    JobKind.INGEST: IngestResult,
    JobKind.QUERY: QueryResult,
    JobKind.DELETE: DeleteResult,
    JobKind.REINDEX: ReindexResult,
    JobKind.BACKUP: BackupResult,
    JobKind.VERIFY: VerifyResult,
    JobKind.REHEARSE: RehearseResult,
    JobKind.RESTORE: RestoreResult,
    JobKind.PRUNE: PruneResult,
}


def typed_jobs() -> Mapping[str, type[BaseModel]]:
    """The shape of a job of each kind, by the kind: what every job has, with its own kind and result."""
    jobs = {}
    for kind, result in RESULTS.items():
        shape: Any = result
        fields: Any = {
            "kind": (Literal[kind.value], ...),
            "result": (shape | None, Field(description="Set once the job has succeeded")),
            "error": (JobError | None, Field(description="Set when it has not succeeded")),
        }
        name = f"{kind.value.capitalize()}Job"
        jobs[kind.value] = create_model(name, __base__=JobOut, __doc__=JobOut.__doc__, **fields)
    return jobs
