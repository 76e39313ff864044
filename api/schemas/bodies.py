"""The JSON bodies that callers send, checked as far as possible without any store."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from rag.errors import InvalidRequest
from rag.fetching.urls import target_of
from rag.filters import facts_of, parse
from rag.model import Json
from rag.naming import MAX_DOCUMENT_ID, checked_collection_name, checked_document_id, plain_name
from rag.settings import Settings
from tasks.submit.submissions import Question, Reindexing

_QUESTION: JsonValue = {"question": "How do I get a VPN token?", "collection": "handbook", "top_n": 3}
MAX_QUESTION = 4_000
MAX_TITLE = 500
MAX_URL = 2_048
MAX_FACTS_BYTES = 16_384  # of metadata and of a filter: every job in the queue holds its own in memory
_URL = TypeAdapter(HttpUrl)


def _check_url(url: str) -> str:
    try:
        target_of(url)
    except InvalidRequest as error:
        # Without its cause, which may quote the URL: a signed one gives access to the document.
        raise ValueError(str(error)) from None
    return str(_URL.validate_python(url))


def _plain_title(title: str) -> str:
    """``title`` without characters that control a terminal or change the direction of a line."""
    if not (plain := plain_name(title)):
        raise ValueError("has no character that shows")
    return plain


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    return text


def _check_filter(where: Json) -> Json:
    try:
        parse(where)
    except InvalidRequest as error:
        raise ValueError(str(error).removeprefix("filter: ")) from error
    return _short(where)


def _check_metadata(metadata: Json) -> Json:
    try:
        facts_of("", "", metadata)
    except InvalidRequest as error:
        raise ValueError(str(error).removeprefix("metadata: ")) from error
    return _short(metadata)


def _short(facts: Json) -> Json:
    if len(json.dumps(facts, ensure_ascii=False).encode()) > MAX_FACTS_BYTES:
        raise ValueError(f"has over {MAX_FACTS_BYTES} bytes as JSON")
    return facts


CollectionName = Annotated[
    str,
    AfterValidator(checked_collection_name),
    Field(
        description="1 to 63 letters, digits, '-' and '_', beginning with a letter or digit",
        examples=["handbook"],
        json_schema_extra={"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"},
    ),
]
DocumentId = Annotated[
    str,
    AfterValidator(checked_document_id),
    Field(
        description=f"1 to {MAX_DOCUMENT_ID} printable characters, slashes among them",
        examples=["guides/vpn.md"],
        json_schema_extra={"minLength": 1, "maxLength": MAX_DOCUMENT_ID},
    ),
]
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE),
    AfterValidator(_encodable),
    AfterValidator(_plain_title),
]
Wording = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION),
    AfterValidator(_encodable),
]
ModelName = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S+$"), AfterValidator(_encodable)
]
Url = Annotated[str, Field(max_length=MAX_URL), AfterValidator(_check_url)]
Metadata = Annotated[
    dict[str, Any],
    AfterValidator(_check_metadata),
    Field(
        description="Facts about the document that queries can filter on",
        examples=[{"lang": "en", "year": 2026}],
    ),
]
Filter = Annotated[
    dict[str, Any],
    AfterValidator(_check_filter),
    Field(
        description="Every entry must fit: a value, a list of values, or a range of gte, gt, lte, lt; "
        "dots lead into nested metadata",
        examples=[{"lang": ["en", "de"], "year": {"gte": 2024}}],
    ),
]


OnConflict = Literal["replace", "keep"]


class Body(BaseModel):
    """A request's body: unknown fields and wrong types are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class DocumentIn(Body):
    """A document to ingest, with its file or with ``text`` or ``url`` instead."""

    text: Annotated[str, AfterValidator(_encodable)] | None = Field(
        None, description="Plain text or Markdown", examples=["# VPN\n\nThe VPN needs a token."]
    )
    url: Url | None = Field(
        None, description="Where the document is fetched from", examples=["https://example.com/vpn.html"]
    )
    collection: CollectionName | None = Field(
        None, description="Made when it does not exist; unset: COLLECTION_NAME", examples=["handbook"]
    )
    document_id: DocumentId | None = Field(
        None,
        description="Sending the same id again replaces the document. Unset: the file's name, with its path "
        "where one is sent; for a text or a URL an id made from it",
    )
    on_conflict: OnConflict | None = Field(
        None,
        description="When a document has this id already: `replace` it, the default, or `keep` it and give "
        "this one another id",
    )
    title: Title | None = Field(
        None, description="Shown with citations; unset: the document's own", examples=["VPN guide"]
    )
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.text is not None and not self.text.strip():
            raise ValueError("text: is empty")
        return self


class DocumentChangeIn(Body):
    """What to change in a document; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "VPN guide", "metadata": {"year": 2026, "draft": None}}]}
    )

    title: Title | None = Field(None, description="Shown with citations")
    metadata: dict[str, Any] | None = Field(
        None, description="Merged into the present metadata by RFC 7396: null removes a member"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.title is None and "title" in self.model_fields_set:
            raise ValueError("title: a document has one, so null is none; leave it out to keep it")
        if self.title is None and self.metadata is None:
            raise ValueError("title, metadata: send at least one of them")
        return self

    def metadata_with(self, present: Json) -> Json:
        """``present`` with the change merged into it. InvalidRequest."""
        merged = _merged(present, self.metadata or {})
        try:
            return _check_metadata(merged)
        except ValueError as error:
            raise InvalidRequest(f"metadata: {error}") from error


def _merged(present: Json, patch: Json) -> Json:
    """A merge patch, by RFC 7396."""
    merged = dict(present)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            inner = merged.get(name)
            merged[name] = _merged(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[name] = value
    return merged


class QueryIn(Body):
    """A question about the documents of one collection."""

    model_config = ConfigDict(json_schema_extra={"examples": [_QUESTION]})

    question: Wording
    collection: CollectionName | None = Field(None, description="Unset: COLLECTION_NAME")
    top_k: int | None = Field(None, ge=1, le=1000, description="Passages retrieved; unset: TOP_K_RETRIEVAL")
    top_n: int | None = Field(
        None, ge=1, le=1000, description="Passages after reranking; unset: TOP_K_RERANK"
    )
    filter: Filter | None = None
    generate: bool = Field(True, description="False: hits without an answer")
    stream: bool = Field(False, description="True: pieces of the answer come as token events")
    cache: bool = Field(True, description="False: no cached result is used, and this one is not cached")
    timeout: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Seconds from now after which the answer is of no use, and work on it ends; at most "
        "API_TIMEOUT, which is the default",
        examples=[30],
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.top_k is not None and self.top_n is not None and self.top_n > self.top_k:
            raise ValueError("top_n: is over top_k, so more would be kept than are retrieved")
        return self

    def question_with(self, settings: Settings) -> Question:
        """The question with every default filled in. A top_k or top_n given alone moves the other's default.

        InvalidRequest for a timeout over API_TIMEOUT, a top_k over MAX_TOP_K, a top_n over MAX_TOP_N.
        """
        if self.timeout is not None and self.timeout > settings.api_timeout:
            raise InvalidRequest(f"timeout: is over API_TIMEOUT, {settings.api_timeout:g} seconds")
        for field, asked, most in (
            ("top_k", self.top_k, settings.max_top_k),
            ("top_n", self.top_n, settings.max_top_n),
        ):
            if asked is not None and asked > most:
                raise InvalidRequest(f"{field}: is over {most} (MAX_{field.upper()})")
        top_k = self.top_k or max(settings.top_k_retrieval, self.top_n or 0)
        return Question(
            question=self.question,
            collection=self.collection or settings.collection_name,
            top_k=top_k,
            top_n=self.top_n or min(settings.top_k_rerank, top_k),
            where=self.filter or {},
            generate=self.generate,
            stream=self.stream,
            cache=self.cache,
            timeout=self.timeout,
        )


class ReindexIn(Body):
    """The model that is to embed a collection."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "jina-embeddings-v3"}]})

    model: ModelName | None = Field(
        None,
        description="all-MiniLM-L6-v2, multilingual-e5-small, ollama:NAME, or a model of the server at "
        "JINA_BASE_URL; unset: the one that new collections get",
        examples=["jina-embeddings-v3"],
    )
    dimension: int | None = Field(None, ge=8, le=8192, description="Of its vectors; unset: VECTOR_SIZE")
    tolerance: float = Field(
        0.05, ge=0, le=1, description="By how much recall on sampled sentences may fall; 1: by any amount"
    )
    force: bool = Field(False, description="True: switch even if recall falls, or the model is in use")

    def of(self, collection: str) -> Reindexing:
        return Reindexing(collection, self.model, self.dimension, self.tolerance, self.force)
