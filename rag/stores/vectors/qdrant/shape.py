"""How a collection is made: its vectors, its indexes, and how a cluster spreads it."""

from typing import Any

from qdrant_client import models

from rag.model import CollectionSpec
from rag.settings import Settings
from rag.stores.vectors.payload import INDEXED
from rag.stores.vectors.qdrant.names import DENSE, LEXICAL, MARK, TENANT, TOKENS

LAYOUT = 1
"""Of the payload and the vectors, for later versions of Aegis to tell."""

INDEXES: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
    **dict.fromkeys(INDEXED, models.PayloadSchemaType.KEYWORD),
    "version": models.PayloadSchemaType.INTEGER,
    TENANT: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
}
"""Payload indexes of every collection, by field. Those of ranges are added as fields turn up."""


def creation(settings: Settings, spec: CollectionSpec) -> dict[str, Any]:
    """The arguments of ``create_collection``, less the name."""
    return {
        "vectors_config": _vectors(settings, spec),
        "sparse_vectors_config": {LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "hnsw_config": models.HnswConfigDiff(
            m=settings.qdrant_hnsw_m, ef_construct=settings.qdrant_hnsw_ef_construct
        ),
        "on_disk_payload": True,
        "shard_number": settings.qdrant_shards,
        "replication_factor": settings.qdrant_replication_factor,
        "write_consistency_factor": settings.qdrant_write_consistency_factor,
        "metadata": {MARK: {"layout": LAYOUT, "tenant_field": settings.tenant_field}},
    }


def _vectors(settings: Settings, spec: CollectionSpec) -> dict[str, models.VectorParams]:
    dense = models.VectorParams(
        size=spec.dimension,
        distance=models.Distance.COSINE,
        on_disk=settings.qdrant_on_disk,
        quantization_config=_quantization(settings),
    )
    if spec.token_dimension is None:
        return {DENSE: dense}
    return {DENSE: dense, TOKENS: _tokens(spec.token_dimension)}


def _tokens(dimension: int) -> models.VectorParams:
    """Read whole by id and never searched, so in no graph. Dot: Cosine would change what is stored."""
    return models.VectorParams(
        size=dimension,
        distance=models.Distance.DOT,
        datatype=models.Datatype.FLOAT16,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
        hnsw_config=models.HnswConfigDiff(m=0),
        on_disk=True,
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
