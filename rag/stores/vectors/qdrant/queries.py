"""The hybrid query that the server answers in one call."""

from typing import Any

from qdrant_client import models

from rag.model import SearchQuery
from rag.stores.vectors.fusion import DENSE_WEIGHT, depth_of
from rag.stores.vectors.payload import NOT_READ_BACK
from rag.stores.vectors.qdrant.layout import Layout
from rag.stores.vectors.qdrant.names import DENSE, LEXICAL, TENANT, TOKENS
from rag.stores.vectors.qdrant.points import sparse_of

CARRIED = models.PayloadSelectorExclude(exclude=[*NOT_READ_BACK, TENANT, TOKENS])
"""Of the payload, what makes a passage."""

_COARSE = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0))
_WHOLE = models.SearchParams(quantization=models.QuantizationSearchParams(ignore=True))


def hybrid(query: SearchQuery, chosen: models.Filter | None, layout: Layout) -> dict[str, Any]:
    """The arguments of ``query_points`` for 20 · cosine + BM25 over the best of both sides.

    A formula scores a point 0 on the side whose prefetch did not bring it. So each side scores
    what both sides found, which makes both scores of every candidate exact. The outer filter
    counts for the innermost prefetches.
    """
    depth = min(depth_of(query.limit), max(layout.limits.results // 2, 1))
    leaves = [_side(query, side, limit=depth) for side in _sides(query)]
    return {
        "prefetch": [_rescored(query, side, leaves) for side in _sides(query)],
        "query": _formula(_sides(query)),
        "query_filter": chosen,
        "limit": query.limit,
        "with_payload": CARRIED,
    }


def _sides(query: SearchQuery) -> tuple[str, ...]:
    return (DENSE, LEXICAL) if len(query.sparse.indices) else (DENSE,)


def _side(query: SearchQuery, side: str, *, limit: int) -> models.Prefetch:
    if side == DENSE:
        return models.Prefetch(query=query.dense.tolist(), using=DENSE, limit=limit, params=_COARSE)
    return models.Prefetch(query=sparse_of(query.sparse), using=LEXICAL, limit=limit)


def _rescored(query: SearchQuery, side: str, leaves: list[models.Prefetch]) -> models.Prefetch:
    found = sum(leaf.limit or 0 for leaf in leaves)
    update: dict[str, Any] = {"prefetch": leaves}
    if side == DENSE:
        update["params"] = _WHOLE
    return _side(query, side, limit=found).model_copy(update=update)


def _formula(sides: tuple[str, ...]) -> models.FormulaQuery:
    scores = [f"$score[{number}]" for number in range(len(sides))]
    weighted = models.MultExpression(mult=[DENSE_WEIGHT, scores[0]])
    return models.FormulaQuery(
        formula=models.SumExpression(sum=[weighted, *scores[1:]]), defaults=dict.fromkeys(scores, 0.0)
    )
