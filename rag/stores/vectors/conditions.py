"""Filters in qdrant-edge's terms."""

from collections.abc import Sequence
from typing import Any

import qdrant_edge as edge

from rag.filters import AnyOf, Between, Condition, parse
from rag.model import DocumentVersion, SearchQuery
from rag.stores.vectors.payload import range_field, revision_of
from rag.stores.vectors.versions import ALL, Versions


def of_document(document_id: str, versions: Versions = ALL) -> edge.Filter:
    """A document's points of these versions."""
    must: list[Any] = [_equals("document_id", document_id)]
    if versions.below is not None:
        must.append(edge.FieldCondition("version", range=edge.RangeFloat(lt=float(versions.below))))
    if versions.only is not None:
        must.append(_equals("version", versions.only))
    must_not: list[Any] | None = None if versions.keep is None else [_equals("version", versions.keep)]
    return edge.Filter(must=must, must_not=must_not)


def of_versions(versions: Sequence[DocumentVersion]) -> edge.Filter:
    """Points of any of these."""
    return edge.Filter(must=[_any_revision(versions)])


def filter_of(query: SearchQuery) -> edge.Filter | None:
    """``where`` and ``exclude`` of a query; None when there are neither. InvalidRequest."""
    must: list[Any] = [_condition(condition) for condition in parse(query.where)]
    must_not: list[Any] = [_any_revision(query.exclude)] if query.exclude else []
    return edge.Filter(must=must, must_not=must_not) if must or must_not else None


def _condition(condition: Condition) -> edge.FieldCondition:
    match condition:
        case AnyOf():
            return edge.FieldCondition("terms", match=edge.MatchAny(list(condition.terms)))
        case Between():
            field = range_field("dates" if condition.dates else "numbers", condition.path)
            bounds = edge.RangeFloat(gte=condition.gte, gt=condition.gt, lte=condition.lte, lt=condition.lt)
            return edge.FieldCondition(field, range=bounds)


def _any_revision(versions: Sequence[DocumentVersion]) -> edge.FieldCondition:
    return edge.FieldCondition("revision", match=edge.MatchAny([revision_of(each) for each in versions]))


def _equals(field: str, value: str | int) -> edge.FieldCondition:
    return edge.FieldCondition(field, match=edge.MatchValue(value))
