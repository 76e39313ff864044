"""One shard of qdrant-edge: each point has a dense vector, a lexical vector and a payload. Its filters.

Every call into qdrant-edge holds the interpreter lock until it returns. Nothing here
takes a lock: :mod:`rag.vectors.edge.collection` lets one writer in at a time.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from rag.errors import ErrorTable, Unavailable, translated
from rag.filters import AnyOf, Between, Condition, parse
from rag.model import DocumentVersion, Hit, Passage, Point, SearchQuery, SparseVector
from rag.vectors.payload import (
    ALL,
    DENSE_WEIGHT,
    INDEXED,
    MAX_RANGE_INDEXES,
    NOT_READ_BACK,
    Payload,
    Versions,
    depth_of,
    passage_of,
    range_field,
    range_fields,
    revision_of,
)


def of_document(document_id: str, versions: Versions = ALL) -> edge.Filter:
    """Selects the points of these versions of a document."""
    must: list[Any] = [_equals("document_id", document_id)]
    if versions.below is not None:
        must.append(edge.FieldCondition("version", range=edge.RangeFloat(lt=float(versions.below))))
    if versions.only is not None:
        must.append(_equals("version", versions.only))
    must_not: list[Any] | None = None if versions.keep is None else [_equals("version", versions.keep)]
    return edge.Filter(must=must, must_not=must_not)


def of_versions(versions: Sequence[DocumentVersion]) -> edge.Filter:
    """Selects the points of any of these versions."""
    return edge.Filter(must=[_any_revision(versions)])


def filter_of(query: SearchQuery) -> edge.Filter | None:
    """Selects by ``where`` and ``exclude`` of a query; None when it has neither. InvalidRequest."""
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


_DENSE, _LEXICAL = "dense", "lexical"
_PAGE = 256
_index = edge.UpdateOperation.create_field_index
_NO_GRAPH = 2**40
"""Kilobytes of vectors from which on the engine would build a graph of them: never (decision 5)."""

_PASSAGE = edge.PayloadSelector.Exclude(list(NOT_READ_BACK))
"""The part of the payload that makes a passage."""

_ERRORS: ErrorTable = {Exception: Unavailable}  # qdrant-edge raises plain Exception for every failure


class Shard:
    """The points of one collection. ``flush`` makes all earlier writes durable. Raises Unavailable."""

    def __init__(self, path: Path) -> None:
        with _translated():
            self._shard = edge.EdgeShard.load(str(path))
            self._indexed = set(self._shard.info().payload_schema)

    @staticmethod
    def create(path: Path, dimension: int) -> None:
        """Make a new shard on disk, and close it."""
        path.mkdir()
        with _translated():
            config = edge.EdgeConfig(
                vectors={_DENSE: edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)},
                sparse_vectors={_LEXICAL: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
                optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NO_GRAPH),
                wal_enabled=True,
            )
            shard = edge.EdgeShard.create(str(path), config)
            for field in INDEXED:
                shard.update(_index(field, edge.PayloadSchemaType.Keyword))
            shard.update(_index("version", edge.PayloadSchemaType.Integer))
            shard.flush()
            shard.close()

    def upsert(self, rows: Iterable[tuple[Point, Payload]]) -> None:
        """Write checked points with their payloads."""
        points, payloads = [], []
        for point, payload in rows:
            vectors: dict[str, Any] = {_DENSE: point.dense.tolist()}
            if len(point.sparse.indices):
                vectors[_LEXICAL] = _sparse(point.sparse)
            points.append(edge.Point(point.passage.chunk_id, vectors, payload))
            payloads.append(payload)
        with _translated():
            # without an index, a range takes 100 ms for 20,000 points; with one, 5 ms
            for field in range_fields(payloads):
                if field not in self._indexed and len(self._indexed) < MAX_RANGE_INDEXES:
                    self._shard.update(_index(field, edge.PayloadSchemaType.Float))
                    self._indexed.add(field)
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def delete(self, document_id: str, versions: Versions) -> None:
        with _translated():
            chosen = of_document(document_id, versions)
            self._shard.update(edge.UpdateOperation.delete_points_by_filter(chosen))

    def count(self, document_id: str | None) -> int:
        chosen = None if document_id is None else of_document(document_id)
        with _translated():
            return int(self._shard.count(edge.CountRequest(exact=True, filter=chosen)))

    def search(self, query: SearchQuery) -> list[Hit]:
        """The best points of both searches, ranked by 20 · vote · cosine + BM25. InvalidRequest."""
        chosen = filter_of(query)
        with _translated():
            scores = self._fused_scores(query, chosen, depth_of(query.limit))
            best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: query.limit]
            records = self._shard.retrieve([point_id for point_id, _ in best], _PASSAGE, False)
        payloads = {str(record.id): record.payload for record in records if record.payload}
        return [
            Hit(passage_of(point_id, payloads[point_id]), score)
            for point_id, score in best
            if point_id in payloads
        ]

    def dense(self, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The dense vectors of those points that exist, by id."""
        with _translated():
            records = self._shard.retrieve([*chunk_ids], False, [_DENSE])
        return {str(record.id): np.array(_named(record)[_DENSE], np.float32) for record in records}

    def passages(self, version: DocumentVersion) -> list[Passage]:
        """The passages of one version of a document, by index."""
        chosen = of_document(version.document_id, Versions(only=version.version))
        found: list[Passage] = []
        offset: Any = None
        while True:
            request = edge.ScrollRequest(offset, _PAGE, chosen, _PASSAGE, False)
            with _translated():
                records, offset = self._shard.scroll(request)
            found += [passage_of(str(record.id), record.payload) for record in records if record.payload]
            if offset is None:
                return sorted(found, key=lambda passage: passage.index)

    def scroll(
        self,
        after: str | None,
        limit: int,
        versions: Sequence[DocumentVersion] | None = None,
        document_id: str | None = None,
    ) -> list[Point]:
        """The points after the id ``after``, by id, without token vectors; of these versions, or of all.

        ``document_id``: those of one document, of whichever version.
        """
        chosen = None if versions is None else of_versions(versions)
        if document_id is not None:
            chosen = of_document(document_id)
        # the engine's page includes the id that it begins with
        request = edge.ScrollRequest(after, limit + (after is not None), chosen, _PASSAGE, True)
        with _translated():
            records, _ = self._shard.scroll(request)
        return [_point_of(record) for record in records if str(record.id) != after][:limit]

    def flush(self) -> None:
        with _translated():
            self._shard.flush()

    def close(self) -> None:
        with _translated():
            self._shard.flush()
            self._shard.close()

    def _fused_scores(self, query: SearchQuery, chosen: edge.Filter | None, depth: int) -> dict[str, float]:
        """Fused scores by point id.

        The engine's own formula scores a point 0 on a side whose prefetch did not find it. That
        would misplace most points, so a second request asks for the missing scores by id.
        """
        near, terms = edge.Query.Nearest(query.dense.tolist(), using=_DENSE), None
        if len(query.sparse.indices):
            terms = edge.Query.Nearest(_sparse(query.sparse), using=_LEXICAL)
        dense, lexical = self._scores([(near, chosen, depth), (terms, chosen, depth)])
        more_dense, more_lexical = self._scores(
            [_of_ids(near, lexical.keys() - dense.keys()), _of_ids(terms, dense.keys() - lexical.keys())]
        )
        dense |= more_dense
        lexical |= more_lexical
        weight = DENSE_WEIGHT * query.vote
        return {point_id: weight * cosine + lexical.get(point_id, 0.0) for point_id, cosine in dense.items()}

    def _scores(self, asked: "Sequence[_Asked]") -> list[dict[str, float]]:
        """For each request, the scores by point id. One without a query or ids has none, and is not sent."""
        requests = [
            edge.QueryRequest(limit=limit, query=query, filter=chosen)
            for query, chosen, limit in asked
            if query is not None and limit
        ]
        answers = iter(self._shard.query_batch(edge.QueryBatchRequest(requests)) if requests else ())
        return [
            {str(point.id): point.score for point in next(answers)} if query is not None and limit else {}
            for query, _, limit in asked
        ]


_Asked = tuple[Any, Any, int]  # query or None, filter or None, limit


def _named(record: edge.Record) -> dict[str, Any]:
    """The record's vectors by name."""
    vectors = record.vector  # a copy at each access
    return vectors if isinstance(vectors, dict) else {}


def _translated() -> AbstractContextManager[None]:
    return translated(_ERRORS, "the vector engine")


def _point_of(record: edge.Record) -> Point:
    """The point as it was upserted, without token vectors."""
    named, passage = _named(record), passage_of(str(record.id), record.payload or {})
    lexical = named.get(_LEXICAL)
    indices = np.array(lexical.indices if lexical else (), np.uint32)
    values = np.array(lexical.values if lexical else (), np.float32)
    order = np.argsort(indices)  # the engine may store them in another order
    return Point(passage, np.array(named[_DENSE], np.float32), SparseVector(indices[order], values[order]))


def _sparse(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(vector.indices.tolist(), vector.values.tolist())


def _of_ids(query: edge.Query | None, ids: set[str]) -> "_Asked":
    return query, edge.Filter(must=[edge.HasIdCondition({*ids})]), len(ids)
