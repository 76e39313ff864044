"""Converts points to qdrant-client's structures and back."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
from qdrant_client import models

from rag.filters import terms_of_field
from rag.model import CollectionSpec, Point, SparseVector
from rag.vectors.payload import (
    DENSE,
    LEXICAL,
    NOT_READ_BACK,
    TENANT,
    TOKENS,
    Payload,
    Vectors,
    decoded,
    encoded,
    passage_of,
    payload_of,
)

Batch: TypeAlias = list[models.PointStruct]

SLICE = 64
"""Points in one request."""

MAX_BYTES = 8 * 1024 * 1024
"""About the size of one request; a server refuses over 32 MB."""

CONTENT = models.PayloadSelectorExclude(exclude=[*NOT_READ_BACK, TENANT])
"""The part of the payload that makes a point; the rest is derived from it."""

_FLOAT_BYTES = 22
"""The bytes of a number in JSON, with its comma."""

_LAST_ID = UUID(int=2**128 - 1)


def payload_for(point: Point, tenant_field: str) -> Payload:
    """The payload that the server stores beside the vectors."""
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
        numbers = point.dense.size + 2 * point.sparse.indices.size
        weight = len(json.dumps(payload)) + _FLOAT_BYTES * numbers
        if batch and (len(batch) >= min(SLICE, most) or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        vectors: dict[str, Any] = {DENSE: point.dense.tolist()}
        if len(point.sparse.indices):
            vectors[LEXICAL] = sparse_of(point.sparse)
        batch.append(models.PointStruct(id=point.passage.chunk_id, vector=vectors, payload=payload))
        size += weight
    if batch:
        yield batch


def vectors_of(record: models.Record, spec: CollectionSpec) -> Vectors:
    """Dense and token vectors; the latter are None when the point has none."""
    named: dict[str, Any] = record.vector if isinstance(record.vector, dict) else {}
    payload = record.payload or {}
    tokens = None
    if spec.token_dimension is not None and TOKENS in payload:
        tokens = decoded(payload[TOKENS], spec.token_dimension)
    return np.array(named[DENSE], np.float32), tokens


def point_of(record: models.Record, spec: CollectionSpec) -> Point:
    """The point as it was upserted, bit by bit; the record needs :data:`CONTENT` and all vectors."""
    dense, tokens = vectors_of(record, spec)
    passage = passage_of(str(record.id), record.payload or {})
    named: dict[str, Any] = record.vector if isinstance(record.vector, dict) else {}
    lexical = named.get(LEXICAL) or models.SparseVector(indices=[], values=[])
    order = np.argsort(np.array(lexical.indices, np.uint32))  # the server may store them in another order
    sparse = SparseVector(
        np.array(lexical.indices, np.uint32)[order], np.array(lexical.values, np.float32)[order]
    )
    return Point(passage, dense, sparse, tokens)


def id_behind(chunk_id: str) -> str | None:
    """The next id, since a scroll includes the id that it begins with. None after the last possible one."""
    given = UUID(chunk_id)
    return str(UUID(int=given.int + 1)) if given != _LAST_ID else None


def sparse_of(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
