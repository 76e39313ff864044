"""The hybrid query, which the server answers in one call."""

from typing import Any

from qdrant_client import models

from rag.model import SearchQuery
from rag.stores.vectors.fusion import DENSE_WEIGHT, depth_of
from rag.stores.vectors.payload import NOT_READ_BACK
from rag.stores.vectors.qdrant.layouts import Layout
from rag.stores.vectors.qdrant.names import DENSE, LEXICAL, TENANT, TOKENS
from rag.stores.vectors.qdrant.points import sparse_of

CARRIED = models.PayloadSelectorExclude(exclude=[*NOT_READ_BACK, TENANT, TOKENS])
"""The part of the payload that makes a passage."""

_COARSE = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0))
_WHOLE = models.SearchParams(quantization=models.QuantizationSearchParams(ignore=True))


def hybrid(query: SearchQuery, chosen: models.Filter | None, layout: Layout) -> dict[str, Any]:
    """The arguments of ``query_points`` for 20 · cosine + BM25 over the best of both sides.

    A formula scores a point 0 on a side whose prefetch did not find it. So each side scores
    what both sides found, which makes both scores of every candidate exact. The outer filter
    also applies to the innermost prefetches.
    """
    depth = min(depth_of(query.limit), max(layout.limits.results // 2, 1))
    sides = [models.Prefetch(query=query.dense.tolist(), using=DENSE, limit=depth, params=_COARSE)]
    if len(query.sparse.indices):
        sides.append(models.Prefetch(query=sparse_of(query.sparse), using=LEXICAL, limit=depth))
    everything: dict[str, Any] = {"prefetch": sides, "limit": depth * len(sides)}
    scores = [f"$score[{number}]" for number in range(len(sides))]
    weighted = models.MultExpression(mult=[DENSE_WEIGHT, scores[0]])
    return {
        "prefetch": [
            side.model_copy(update=everything | ({"params": _WHOLE} if side.using == DENSE else {}))
            for side in sides
        ],
        "query": models.FormulaQuery(
            formula=models.SumExpression(sum=[weighted, *scores[1:]]), defaults=dict.fromkeys(scores, 0.0)
        ),
        "query_filter": chosen,
        "limit": query.limit,
        "with_payload": CARRIED,
    }
