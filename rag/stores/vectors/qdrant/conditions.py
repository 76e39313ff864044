"""Translates filters to qdrant-client's."""

from collections.abc import Sequence

from qdrant_client import models

from rag.filters import AnyOf, Between, Condition
from rag.model import DocumentVersion
from rag.stores.vectors.payload import range_field, revision_of
from rag.stores.vectors.qdrant.layouts import Layout
from rag.stores.vectors.qdrant.names import TENANT
from rag.stores.vectors.versions import ALL, Versions


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
    """Points of any of these."""
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
            parts = [_any(key, part) for part in _parts(condition.terms, layout.limits.choices)]
            return parts[0] if len(parts) == 1 else models.Filter(should=[*parts])
        case Between():
            bounds = models.Range(gte=condition.gte, gt=condition.gt, lte=condition.lte, lt=condition.lt)
            return models.FieldCondition(key=_field(condition), range=bounds)


def _any_revision(versions: Sequence[DocumentVersion], layout: Layout) -> list[models.Condition]:
    revisions = [revision_of(version) for version in versions]
    return [_any("revision", part) for part in _parts(revisions, layout.limits.choices)]


def _field(condition: Between) -> str:
    return range_field("dates" if condition.dates else "numbers", condition.path)


def _parts(values: Sequence[str], most: int) -> list[Sequence[str]]:
    return [values[start : start + most] for start in range(0, len(values), most)]


def _any(field: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))


def _equals(field: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))
