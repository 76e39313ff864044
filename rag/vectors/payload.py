"""The format of points and scores in every vector engine, and the checks before a write or a search.

An engine stores NaN vectors and never finds them, fails in the middle of a batch on a
string that is not UTF-8, and rounds numbers that do not fit. So everything is checked first.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rag.errors import InvalidRequest
from rag.filters import facts_of
from rag.model import (
    Candidate,
    CollectionSpec,
    DocumentVersion,
    Hit,
    Passage,
    Point,
    SearchQuery,
    SparseVector,
)

Payload: TypeAlias = dict[str, Any]

Vectors: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float16] | None]
"""Dense and token vectors of a point."""

DENSE, LEXICAL = "dense", "lexical"
"""Vectors of a point: the passage's embedding, and its BM25 term weights."""

TOKENS = "tokens"
"""Payload field with the token vectors: base64 of their float16 numbers, little-endian, row by row."""

TENANT = "tenant"
"""Payload field with the terms of the metadata field that names the document's tenant."""

MARK = "aegis"
"""Key in the metadata of our collections; its value describes the layout."""

UPLOADED = "aegis-restored.snapshot"
"""The name of a snapshot that Aegis sent to a node."""

DENSE_WEIGHT = 20.0
"""Fused score = 20 · vote · cosine + BM25, where the query has the vote.

On SQuAD, weights of 10 to 30 score alike, and above RRF and DBSF."""

MAX_LIMIT = 10_000
"""Hits of a search."""

INDEXED = ("document_id", "revision", "terms")
"""Payload fields to index as keywords, beside ``version`` as an integer."""

MAX_RANGE_INDEXES = 64
"""Indexed fields of a collection from which on no range gets an index of its own."""

NOT_READ_BACK = ("revision", "terms", "numbers", "dates")
"""Payload fields that are there for filters only."""

_FLOAT16 = np.dtype("<f2")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions below ``below``, other than ``keep``, and equal to ``only``. None does not restrict."""

    below: int | None = None
    keep: int | None = None
    only: int | None = None


ALL = Versions()


def revision_of(version: DocumentVersion) -> str:
    """A string for a version of a document, so that one condition can exclude many versions."""
    return f"{version.version}:{version.document_id}"


def payload_of(passage: Passage) -> Payload:
    """The passage's fields, and the facts that filters look up (see ``rag.filters``)."""
    facts = facts_of(passage.document_id, passage.title, passage.metadata)
    return {
        "document_id": passage.document_id,
        "version": passage.version,
        "index": passage.index,
        "text": passage.text,
        "title": passage.title,
        "start": passage.start,
        "end": passage.end,
        "page": passage.page,
        "headings": list(passage.headings),
        "metadata": dict(passage.metadata),
        **({} if passage.confidence is None else {"recognised": passage.confidence}),
        **({"searched_title": passage.searched_title} if passage.searched_title else {}),
        "revision": revision_of(DocumentVersion(passage.document_id, passage.version)),
        "terms": list(facts.terms),
        "numbers": dict(facts.numbers),
        "dates": dict(facts.dates),
    }


def range_field(kind: str, path: str) -> str:
    """The engine's path of a key of ``numbers`` or ``dates``, spelled as the engine lists it."""
    return f"{kind}.{path}" if _BARE_KEY.match(path) else f'{kind}."{path}"'


def range_fields(payloads: Iterable[Payload]) -> tuple[str, ...]:
    """The fields of these payloads that filters can compare by range, each once."""
    fields = (
        range_field(kind, path)
        for payload in payloads
        for kind in ("numbers", "dates")
        for path in payload[kind]
    )
    return tuple(dict.fromkeys(fields))


def passage_of(chunk_id: str, payload: Mapping[str, Any]) -> Passage:
    """The inverse of :func:`payload_of`."""
    return Passage(
        chunk_id=chunk_id,
        document_id=payload["document_id"],
        version=payload["version"],
        index=payload["index"],
        text=payload["text"],
        title=payload["title"],
        start=payload["start"],
        end=payload["end"],
        page=payload.get("page"),
        headings=tuple(payload.get("headings", ())),
        metadata=payload.get("metadata", {}),
        confidence=payload.get("recognised"),
        searched_title=payload.get("searched_title", ""),
    )


def candidates_of(hits: Sequence[Hit], vectors: Mapping[str, Vectors]) -> list[Candidate]:
    """The hits with their vectors, in order. Hits without vectors are left out."""
    return [Candidate(hit, *vectors[hit.passage.chunk_id]) for hit in hits if hit.passage.chunk_id in vectors]


def check_name(collection: str) -> None:
    """InvalidRequest for a name that no collection may have."""
    if not _NAME.match(collection):
        raise InvalidRequest(
            f"{collection!r} cannot name a collection: letters, digits, '-', '_' and '.' only"
        )


def check_points(points: Sequence[Point], spec: CollectionSpec) -> None:
    """InvalidRequest for the first wrong point; it names the passage and the fault."""
    for point in points:
        where = f"passage {point.passage.index} of {point.passage.document_id!r}"
        _check_passage(point.passage, where)
        _check_dense(point.dense, spec.dimension, where)
        check_sparse(point.sparse, where)
        _check_tokens(point.tokens, spec.token_dimension, where)


def check_query(query: SearchQuery, spec: CollectionSpec) -> None:
    """InvalidRequest for a limit or vectors that the collection cannot be searched with."""
    if not 0 < query.limit <= MAX_LIMIT:
        raise InvalidRequest(f"the limit of a search must be 1 to {MAX_LIMIT}, not {query.limit}")
    _check_dense(query.dense, spec.dimension, "the query")
    check_sparse(query.sparse, "the query")


def check_sparse(vector: SparseVector, where: str) -> None:
    """InvalidRequest unless the indices ascend, and there are as many values, all of them finite."""
    indices, values = vector.indices, vector.values
    if indices.ndim != 1 or indices.shape != values.shape:
        raise InvalidRequest(f"{where}: a sparse vector needs as many values as indices")
    if len(indices) and (
        indices[0] < 0 or indices[-1] >= 2**32 or (np.diff(indices.astype(np.int64)) <= 0).any()
    ):
        raise InvalidRequest(f"{where}: the indices of a sparse vector must ascend, each once, in 32 bits")
    if not np.isfinite(values).all():
        raise InvalidRequest(f"{where}: the sparse vector holds NaN or infinity")


def _check_passage(passage: Passage, where: str) -> None:
    chunk_id = passage.chunk_id
    try:
        canonical = str(UUID(chunk_id))
    except (ValueError, AttributeError) as error:
        raise InvalidRequest(f"{where}: the chunk_id {chunk_id!r} must be a UUID") from error
    if canonical != chunk_id:
        raise InvalidRequest(f"{where}: the chunk_id {chunk_id!r} must be written {canonical}")
    try:
        names = passage.title, passage.searched_title, passage.document_id, *passage.headings
        "".join((passage.text, *names)).encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{where}: holds text that is not Unicode (a lone surrogate)") from error


def _check_dense(vector: NDArray[Any], dimension: int, where: str) -> None:
    if vector.shape != (dimension,):
        raise InvalidRequest(
            f"{where}: the vector has shape {vector.shape}, the collection takes ({dimension},)"
        )
    if not np.isfinite(vector).all():
        raise InvalidRequest(f"{where}: the vector holds NaN or infinity")
    if not vector.any():
        raise InvalidRequest(f"{where}: the vector is zero, so no search could find it")


def _check_tokens(tokens: NDArray[Any] | None, dimension: int | None, where: str) -> None:
    if tokens is None:
        return
    if dimension is None:
        raise InvalidRequest(f"{where}: the collection was made without token vectors")
    if tokens.ndim != 2 or tokens.shape[1] != dimension or tokens.dtype != np.float16:
        raise InvalidRequest(
            f"{where}: the token vectors are {tokens.dtype} {tokens.shape}, "
            f"the collection takes float16 (tokens, {dimension})"
        )
    if not np.isfinite(tokens).all():
        raise InvalidRequest(f"{where}: a token vector holds NaN or infinity")


def encoded(tokens: NDArray[np.float16]) -> str:
    """Base64 of the numbers, little-endian, row by row."""
    return b64encode(tokens.astype(_FLOAT16).tobytes()).decode("ascii")


def decoded(text: str, dimension: int) -> NDArray[np.float16]:
    """The inverse of :func:`encoded`, of shape (tokens, ``dimension``)."""
    numbers = np.frombuffer(b64decode(text), _FLOAT16)
    return numbers.astype(np.float16, copy=False).reshape(-1, dimension)


def depth_of(limit: int) -> int:
    """How many points the dense and the lexical search each contribute for ``limit`` hits."""
    return max(50, 3 * limit)
