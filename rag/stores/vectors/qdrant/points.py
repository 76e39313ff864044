"""Points on their way to the server and back."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from rag.filters import terms_of_field
from rag.model import Point, SparseVector
from rag.stores.vectors.payload import Payload, Vectors, payload_of
from rag.stores.vectors.qdrant.names import DENSE, LEXICAL, TENANT, TOKENS

Batch: TypeAlias = list[models.PointStruct]

SLICE = 64
"""Points in one request, acknowledged by itself."""

MAX_BYTES = 8 * 1024 * 1024
"""Of one request, about; a server refuses over 32 MB."""

_FLOAT_BYTES, _FLOAT16_BYTES = 22, 13
"""Of a number in JSON, with its comma."""

_DECIMALS = 8
"""Leave every float16 what it is, in half the digits."""


def payload_for(point: Point, tenant_field: str) -> Payload:
    """What the server keeps beside the vectors."""
    passage = point.passage
    payload = payload_of(passage)
    if tenants := terms_of_field(tenant_field, passage.metadata):
        payload[TENANT] = list(tenants)
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


def vectors_of(record: models.Record) -> Vectors:
    """Dense and token vectors; the latter None where the point has none."""
    named: dict[str, Any] = record.vector if isinstance(record.vector, dict) else {}
    tokens = named.get(TOKENS)
    return np.array(named[DENSE], np.float32), np.array(tokens, np.float16) if tokens else None


def sparse_of(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())


def _struct(point: Point, payload: Payload) -> models.PointStruct:
    vectors: dict[str, Any] = {DENSE: point.dense.tolist()}
    if len(point.sparse.indices):
        vectors[LEXICAL] = sparse_of(point.sparse)
    if point.tokens is not None and len(point.tokens):
        vectors[TOKENS] = _short(point.tokens)
    return models.PointStruct(id=point.passage.chunk_id, vector=vectors, payload=payload)


def _short(tokens: NDArray[np.float16]) -> list[list[float]]:
    rounded: list[list[float]] = np.round(tokens.astype(np.float64), _DECIMALS).tolist()
    return rounded


def _weight(point: Point, payload: Payload) -> int:
    """Bytes of a point in a request, at most."""
    tokens = 0 if point.tokens is None else point.tokens.size
    numbers = point.dense.size + 2 * point.sparse.indices.size
    return len(json.dumps(payload)) + _FLOAT_BYTES * numbers + _FLOAT16_BYTES * tokens
