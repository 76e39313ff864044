"""Points on their way to the server and back."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from rag.filters import terms_of_field
from rag.model import CollectionSpec, Point, SparseVector
from rag.stores.vectors.payload import NOT_READ_BACK, Payload, Vectors, passage_of, payload_of
from rag.stores.vectors.qdrant.names import DENSE, LEXICAL, TENANT, TOKENS
from rag.stores.vectors.qdrant.tokens import decoded, encoded

Batch: TypeAlias = list[models.PointStruct]

SLICE = 64
"""Points in one request, acknowledged by itself."""

MAX_BYTES = 8 * 1024 * 1024
"""Of one request, about; a server refuses over 32 MB."""

CONTENT = models.PayloadSelectorExclude(exclude=[*NOT_READ_BACK, TENANT])
"""Of the payload, what makes a point; the rest follows from it."""

_FLOAT_BYTES = 22
"""Of a number in JSON, with its comma."""

_LAST_ID = UUID(int=2**128 - 1)


def payload_for(point: Point, tenant_field: str) -> Payload:
    """What the server keeps beside the vectors."""
    passage = point.passage
    payload = payload_of(passage)
    if tenants := terms_of_field(tenant_field, passage.metadata):
        payload[TENANT] = list(tenants)
    if point.tokens is not None and len(point.tokens):
        payload[TOKENS] = encoded(point.tokens)
    return payload


def batches(rows: Sequence[tuple[Point, Payload]], most: int) -> Iterator[Batch]:
    """Checked points with their payloads, in requests of at most ``most`` points."""
    batch, size = Batch(), 0
    for point, payload in rows:
        weight = _weight(point, payload)
        if batch and (len(batch) >= min(SLICE, most) or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(_struct(point, payload))
        size += weight
    if batch:
        yield batch


def vectors_of(record: models.Record, spec: CollectionSpec) -> Vectors:
    """Dense and token vectors; the latter None where the point has none."""
    named: dict[str, Any] = record.vector if isinstance(record.vector, dict) else {}
    return np.array(named[DENSE], np.float32), _tokens_of(record.payload or {}, spec.token_dimension)


def point_of(record: models.Record, spec: CollectionSpec) -> Point:
    """The inverse of an upsert, bit by bit; the record has :data:`CONTENT` and all its vectors."""
    dense, tokens = vectors_of(record, spec)
    passage = passage_of(str(record.id), record.payload or {})
    return Point(passage, dense, _lexical_of(record), tokens)


def id_behind(chunk_id: str) -> str | None:
    """The least id above it: a scroll begins with the id that it is given. None behind the last of all."""
    given = UUID(chunk_id)
    return str(UUID(int=given.int + 1)) if given != _LAST_ID else None


def sparse_of(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())


def _struct(point: Point, payload: Payload) -> models.PointStruct:
    vectors: dict[str, Any] = {DENSE: point.dense.tolist()}
    if len(point.sparse.indices):
        vectors[LEXICAL] = sparse_of(point.sparse)
    return models.PointStruct(id=point.passage.chunk_id, vector=vectors, payload=payload)


def _lexical_of(record: models.Record) -> SparseVector:
    """Ascending, in whatever order the server keeps it; empty where the point has no terms."""
    named: dict[str, Any] = record.vector if isinstance(record.vector, dict) else {}
    kept = named.get(LEXICAL) or models.SparseVector(indices=[], values=[])
    order = np.argsort(np.array(kept.indices, np.uint32))
    return SparseVector(np.array(kept.indices, np.uint32)[order], np.array(kept.values, np.float32)[order])


def _tokens_of(payload: Payload, dimension: int | None) -> NDArray[np.float16] | None:
    if dimension is None or TOKENS not in payload:
        return None
    return decoded(payload[TOKENS], dimension)


def _weight(point: Point, payload: Payload) -> int:
    """Bytes of a point in a request, at most."""
    numbers = point.dense.size + 2 * point.sparse.indices.size
    return len(json.dumps(payload)) + _FLOAT_BYTES * numbers
