"""How a collection is made: its vectors, its indexes, and how a cluster spreads it."""

from typing import Any

from qdrant_client import models

from rag.model import CollectionSpec
from rag.settings import Settings
from rag.stores.vectors.payload import INDEXED
from rag.stores.vectors.qdrant.names import DENSE, LEXICAL, MARK, TENANT

LAYOUT = 1
"""Of the payload and the vectors, for later versions of Aegis to tell."""

INDEXES: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
    **dict.fromkeys(INDEXED, models.PayloadSchemaType.KEYWORD),
    "version": models.PayloadSchemaType.INTEGER,
    TENANT: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
}
"""Payload indexes of every collection, by field. Those of ranges are added as fields turn up."""


def creation(settings: Settings, collection: str, spec: CollectionSpec) -> dict[str, Any]:
    """The arguments of ``create_collection``, less the name."""
    return {
        "vectors_config": {DENSE: _dense(settings, spec.dimension)},
        "sparse_vectors_config": {LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "hnsw_config": models.HnswConfigDiff(
            m=settings.qdrant_hnsw_m, ef_construct=settings.qdrant_hnsw_ef_construct
        ),
        "on_disk_payload": True,
        "shard_number": settings.qdrant_shards,
        "replication_factor": settings.qdrant_replication_factor,
        "write_consistency_factor": settings.qdrant_write_consistency_factor,
        "metadata": {MARK: _mark(settings, collection, spec)},
    }


def _mark(settings: Settings, collection: str, spec: CollectionSpec) -> dict[str, Any]:
    """What the server does not tell of itself. By the name it is known from an alias."""
    return {
        "name": collection,
        "layout": LAYOUT,
        "tenant_field": settings.tenant_field,
        "token_dimension": spec.token_dimension,
    }


def _dense(settings: Settings, dimension: int) -> models.VectorParams:
    return models.VectorParams(
        size=dimension,
        distance=models.Distance.COSINE,
        on_disk=settings.qdrant_on_disk,
        quantization_config=_quantization(settings),
    )


def _quantization(settings: Settings) -> models.QuantizationConfig | None:
    match settings.qdrant_quantization:
        case "scalar":
            scalar = models.ScalarQuantizationConfig(
                type=models.ScalarType.INT8, quantile=0.99, always_ram=True
            )
            return models.ScalarQuantization(scalar=scalar)
        case "binary":
            return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
        case "none":
            return None
