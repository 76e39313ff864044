"""The layouts of collections on the server. Creates, reads and checks them."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any

from qdrant_client import QdrantClient, models

from rag.errors import Conflict, UnknownCollection
from rag.model import CollectionSpec
from rag.settings import Settings
from rag.vectors.payload import DENSE, INDEXED, LEXICAL, MARK, MAX_RANGE_INDEXES, TENANT
from rag.vectors.qdrant.nodes import Nodes

LAYOUT = 1
"""The version of the payload's and vectors' format, for later versions of Aegis."""

_NO_LIMIT = 1_000_000
_REMEMBER_SECONDS = 5.0
"""So long a collection that was deleted by hand stays unnoticed before the next write."""

INDEXES: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
    **dict.fromkeys(INDEXED, models.PayloadSchemaType.KEYWORD),
    "version": models.PayloadSchemaType.INTEGER,
    TENANT: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
}
"""Payload indexes of every collection, by field. Indexes for ranges are added when a field first occurs."""


def creation(settings: Settings, collection: str, spec: CollectionSpec) -> dict[str, Any]:
    """The arguments of ``create_collection``, without the name."""
    quantization: models.QuantizationConfig | None = None
    if settings.qdrant_quantization == "scalar":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        quantization = models.ScalarQuantization(scalar=scalar)
    elif settings.qdrant_quantization == "binary":
        binary = models.BinaryQuantizationConfig(always_ram=True)
        quantization = models.BinaryQuantization(binary=binary)
    dense = models.VectorParams(
        size=spec.dimension,
        distance=models.Distance.COSINE,
        on_disk=settings.qdrant_on_disk,
        quantization_config=quantization,
    )
    # facts that the server does not keep itself; the name distinguishes the collection from an alias
    mark = {
        "name": collection,
        "layout": LAYOUT,
        "tenant_field": settings.tenant_field,
        "token_dimension": spec.token_dimension,
    }
    return {
        "vectors_config": {DENSE: dense},
        "sparse_vectors_config": {LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "hnsw_config": models.HnswConfigDiff(
            m=settings.qdrant_hnsw_m, ef_construct=settings.qdrant_hnsw_ef_construct
        ),
        "on_disk_payload": True,
        "shard_number": settings.qdrant_shards,
        "replication_factor": settings.qdrant_replication_factor,
        "write_consistency_factor": settings.qdrant_write_consistency_factor,
        "metadata": {MARK: mark},
    }


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of strict mode: points in an upsert, results of a query, choices in a condition, indexes."""

    batch: int
    results: int
    choices: int
    indexes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A collection on the server. ``tenant_field``: the metadata field of its tenant index."""

    spec: CollectionSpec
    tenant_field: str
    indexed: frozenset[str]
    limits: Limits

    @property
    def full(self) -> bool:
        """Whether no further field can get an index, so that a field without one may still occur."""
        return len(self.indexed) >= self.limits.indexes


def layout_of(collection: str, info: models.CollectionInfo) -> Layout:
    """The layout of a collection of ours. Conflict for a foreign one, UnknownCollection for an alias."""
    mark = mark_of(collection, info)
    vectors = info.config.params.vectors
    if not isinstance(vectors, dict):
        raise _foreign(collection)
    if mark["name"] != collection:
        raise UnknownCollection(f"{collection} is no collection but an alias of {mark['name']}")
    limits = Limits(_NO_LIMIT, _NO_LIMIT, _NO_LIMIT, MAX_RANGE_INDEXES)
    strict = info.config.strict_mode_config
    if strict is not None and strict.enabled:
        limits = Limits(
            batch=strict.upsert_max_batchsize or _NO_LIMIT,
            results=strict.max_query_limit or _NO_LIMIT,
            choices=strict.condition_max_size or _NO_LIMIT,
            indexes=min(MAX_RANGE_INDEXES, strict.max_payload_index_count or MAX_RANGE_INDEXES),
        )
    return Layout(
        spec=CollectionSpec(vectors[DENSE].size, mark["token_dimension"]),
        tenant_field=mark["tenant_field"],
        indexed=frozenset(info.payload_schema),
        limits=limits,
    )


def mark_of(collection: str, info: models.CollectionInfo) -> dict[str, Any]:
    """The mark that Aegis put on the collection. Conflict for a foreign collection."""
    mark = (info.config.metadata or {}).get(MARK)
    if mark is None:
        raise _foreign(collection)
    return dict(mark)


def is_ours(info: models.CollectionInfo) -> bool:
    return MARK in (info.config.metadata or {})


def _foreign(collection: str) -> Conflict:
    return Conflict(
        f"the Qdrant server has a collection {collection} that Aegis did not make (or that a Qdrant "
        f"before 1.16 keeps): remove or rename it there, or update Qdrant"
    )


class Layouts:
    """Reads the layouts of collections from the server, and caches them for this process."""

    def __init__(self, nodes: Nodes, settings: Settings, patience: float) -> None:
        self._nodes = nodes
        self._settings = settings
        self._patience = patience
        self._known: dict[str, Layout] = {}
        self._completed: dict[str, float] = {}

    def of(self, collection: str, patience: float | None = None) -> Layout:
        """The layout, cached. Raises UnknownCollection, and Conflict for a foreign collection.

        ``patience``: seconds; None: a write's.
        """
        return self._known.get(collection) or self.read(collection, patience)

    def read(self, collection: str, patience: float | None = None) -> Layout:
        """The layout from the server; errors as for :meth:`of`."""
        self.forget(collection)
        seconds = self._patience if patience is None else patience
        info = self._nodes.call(lambda client: client.get_collection(collection), seconds)
        layout = self._known[collection] = layout_of(collection, info)
        return layout

    def find(self, collection: str) -> models.CollectionInfo | None:
        """The collection of this name, not an alias; None without one. Conflict for a foreign collection.

        It also finds one that was just recovered from another collection's snapshot.
        """

        def look(client: QdrantClient) -> models.CollectionInfo | None:
            names = {one.name for one in client.get_collections().collections}
            return client.get_collection(collection) if collection in names else None

        info = self._nodes.call(look, self._patience)
        if info is not None:
            mark_of(collection, info)
        return info

    def complete_lately(self, collection: str, spec: CollectionSpec) -> bool:
        """Whether the collection had ``spec`` and all its indexes when it was completed seconds ago.

        A worker asks before it writes a document, so asking the server would be most of its time.
        """
        known = self._known.get(collection)
        completed = self._completed.get(collection, -inf)
        return known is not None and known.spec == spec and monotonic() - completed < _REMEMBER_SECONDS

    def forget(self, collection: str) -> None:
        self._known.pop(collection, None)
        self._completed.pop(collection, None)

    def names(self) -> tuple[str, ...]:
        """The names of our collections on the server."""

        def ours(name: str) -> bool:
            try:
                return is_ours(self._nodes.call(lambda client: client.get_collection(name), self._patience))
            except UnknownCollection:  # it was dropped a moment ago
                return False

        found = self._nodes.call(lambda client: client.get_collections().collections, self._patience)
        return tuple(sorted(one.name for one in found if ours(one.name)))

    def create(self, collection: str, spec: CollectionSpec) -> None:
        """Create the collection unless another worker has. Removes an alias of this name."""
        arguments = creation(self._settings, collection, spec)
        # a collection cannot be created under the name of an alias
        no_alias = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=collection))
        self._nodes.call(lambda client: client.update_collection_aliases([no_alias]), self._patience)
        try:
            self._nodes.call(lambda client: client.create_collection(collection, **arguments), self._patience)
        except Conflict:
            self.read(collection)  # raises Conflict again for a foreign collection

    def complete(self, collection: str) -> None:
        """Create the indexes that every collection has and this one lacks."""
        lacking = [field for field in INDEXES if field not in self.of(collection).indexed]
        for field in lacking:
            self._index(collection, field, INDEXES[field])
        if lacking:
            self.read(collection)
        self._completed[collection] = monotonic()

    def cover(self, collection: str, fields: Iterable[str]) -> None:
        """Index these fields for ranges, as far as the server's limit allows."""
        missing = [field for field in fields if field not in self.of(collection).indexed]
        for field in missing:
            layout = self.read(collection)
            if field not in layout.indexed and not layout.full:
                self._index(collection, field, models.PayloadSchemaType.FLOAT)
        if missing:
            self.read(collection)

    def _index(
        self, collection: str, field: str, schema: models.PayloadSchemaType | models.KeywordIndexParams
    ) -> None:
        self._nodes.call(
            lambda client: client.create_payload_index(collection, field, schema, wait=True), self._patience
        )
