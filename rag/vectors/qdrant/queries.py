"""The hybrid query, which the server answers in one call, and the filters in qdrant-client's classes."""

from collections.abc import Sequence
from typing import Any

from qdrant_client import models

from rag.filters import AnyOf, Between, Condition
from rag.model import DocumentVersion, SearchQuery
from rag.vectors.payload import (
    ALL,
    DENSE,
    DENSE_WEIGHT,
    LEXICAL,
    NOT_READ_BACK,
    TENANT,
    TOKENS,
    Versions,
    depth_of,
    range_field,
    revision_of,
)
from rag.vectors.qdrant.layouts import Layout
from rag.vectors.qdrant.points import sparse_of

CARRIED = models.PayloadSelectorExclude(exclude=[*NOT_READ_BACK, TENANT, TOKENS])
"""The part of the payload that makes a passage."""

_COARSE = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0))
_WHOLE = models.SearchParams(quantization=models.QuantizationSearchParams(ignore=True))


def hybrid(query: SearchQuery, chosen: models.Filter | None, layout: Layout) -> dict[str, Any]:
    """The arguments of ``query_points`` for 20 · vote · cosine + BM25 over the best of both sides.

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
    weighted = models.MultExpression(mult=[DENSE_WEIGHT * query.vote, scores[0]])
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


def of_document(document_id: str, versions: Versions = ALL) -> models.Filter:
    """Selects the points of these versions of a document."""
    must: list[models.Condition] = [_equals("document_id", document_id)]
    if versions.below is not None:
        must.append(models.FieldCondition(key="version", range=models.Range(lt=float(versions.below))))
    if versions.only is not None:
        must.append(_equals("version", versions.only))
    must_not: list[models.Condition] | None = None
    if versions.keep is not None:
        must_not = [_equals("version", versions.keep)]
    return models.Filter(must=must, must_not=must_not)


def of_versions(versions: Sequence[DocumentVersion], layout: Layout) -> models.Filter:
    """Selects the points of any of these versions."""
    return models.Filter(should=_any_revision(versions, layout))


def filter_of(
    conditions: Sequence[Condition], exclude: Sequence[DocumentVersion], layout: Layout
) -> models.Filter | None:
    """Selects points that meet every condition and are of no excluded version; None without either."""
    must = [_condition(condition, layout) for condition in conditions]
    must_not = _any_revision(exclude, layout)
    return models.Filter(must=must, must_not=must_not) if must or must_not else None


def compared_fields(conditions: Sequence[Condition]) -> tuple[str, ...]:
    """The payload fields of range conditions, which strict mode requires to be indexed."""
    return tuple(_field(condition) for condition in conditions if isinstance(condition, Between))


def _condition(condition: Condition, layout: Layout) -> models.Condition:
    match condition:
        case AnyOf():
            key = TENANT if condition.path == layout.tenant_field else "terms"
            parts = _any_of(key, condition.terms, layout.limits.choices)
            return parts[0] if len(parts) == 1 else models.Filter(should=[*parts])
        case Between():
            bounds = models.Range(gte=condition.gte, gt=condition.gt, lte=condition.lte, lt=condition.lt)
            return models.FieldCondition(key=_field(condition), range=bounds)


def _any_revision(versions: Sequence[DocumentVersion], layout: Layout) -> list[models.Condition]:
    return _any_of("revision", [revision_of(version) for version in versions], layout.limits.choices)


def _field(condition: Between) -> str:
    return range_field("dates" if condition.dates else "numbers", condition.path)


def _any_of(field: str, values: Sequence[str], most: int) -> list[models.Condition]:
    """Conditions of at most ``most`` values each; a point needs to meet one of them."""
    parts = [list(values[start : start + most]) for start in range(0, len(values), most)]
    return [models.FieldCondition(key=field, match=models.MatchAny(any=part)) for part in parts]


def _equals(field: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))
