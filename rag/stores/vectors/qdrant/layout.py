"""A collection as it is on the server: its spec, what is indexed, and what strict mode allows."""

from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from rag.errors import Conflict, UnknownCollection
from rag.model import CollectionSpec
from rag.stores.vectors.payload import MAX_RANGE_INDEXES
from rag.stores.vectors.qdrant.names import DENSE, MARK

_NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Of strict mode: points in an upsert, results of a query, choices in a condition, indexes."""

    batch: int
    results: int
    choices: int
    indexes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """``tenant_field``: the metadata field that the tenant index was made for."""

    spec: CollectionSpec
    tenant_field: str
    indexed: frozenset[str]
    limits: Limits

    @property
    def full(self) -> bool:
        """Whether no further field gets an index, so that a field without one says nothing."""
        return len(self.indexed) >= self.limits.indexes


def layout_of(collection: str, info: models.CollectionInfo) -> Layout:
    """Conflict for a collection that is not ours, UnknownCollection where the name is an alias of one."""
    mark = mark_of(collection, info)
    vectors = info.config.params.vectors
    if not isinstance(vectors, dict):
        raise _strange(collection)
    if mark["name"] != collection:
        raise UnknownCollection(f"{collection} is no collection but an alias of {mark['name']}")
    return Layout(
        spec=CollectionSpec(vectors[DENSE].size, mark["token_dimension"]),
        tenant_field=mark["tenant_field"],
        indexed=frozenset(info.payload_schema),
        limits=_limits(info.config.strict_mode_config),
    )


def mark_of(collection: str, info: models.CollectionInfo) -> dict[str, Any]:
    """What Aegis noted of the collection. Conflict for one that is not ours."""
    mark = (info.config.metadata or {}).get(MARK)
    if mark is None:
        raise _strange(collection)
    return dict(mark)


def is_ours(info: models.CollectionInfo) -> bool:
    return MARK in (info.config.metadata or {})


def _strange(collection: str) -> Conflict:
    return Conflict(
        f"the Qdrant server has a collection {collection} that Aegis did not make (or that a Qdrant "
        f"before 1.16 keeps): remove or rename it there, or update Qdrant"
    )


def _limits(strict: models.StrictModeConfigOutput | None) -> Limits:
    if strict is None or not strict.enabled:
        return Limits(_NO_LIMIT, _NO_LIMIT, _NO_LIMIT, MAX_RANGE_INDEXES)
    return Limits(
        batch=strict.upsert_max_batchsize or _NO_LIMIT,
        results=strict.max_query_limit or _NO_LIMIT,
        choices=strict.condition_max_size or _NO_LIMIT,
        indexes=min(MAX_RANGE_INDEXES, strict.max_payload_index_count or MAX_RANGE_INDEXES),
    )
