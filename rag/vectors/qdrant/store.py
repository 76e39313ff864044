"""``rag.ports.VectorStore`` on a Qdrant server or cluster (1.16 and later)."""

from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import Any, TypeVar

from qdrant_client import QdrantClient, models

from rag.errors import Conflict, Unavailable, UnknownCollection
from rag.filters import parse
from rag.model import Candidate, CollectionSpec, DocumentVersion, Hit, Passage, Point, SearchQuery
from rag.ports.paging import Window
from rag.settings import Settings
from rag.vectors.payload import (
    DENSE,
    TOKENS,
    Vectors,
    Versions,
    candidates_of,
    check_name,
    check_points,
    check_query,
    passage_of,
    range_fields,
)
from rag.vectors.qdrant.layouts import Layouts
from rag.vectors.qdrant.nodes import Nodes
from rag.vectors.qdrant.points import CONTENT, SLICE, batches, id_behind, payload_for, point_of, vectors_of
from rag.vectors.qdrant.queries import CARRIED, compared_fields, filter_of, hybrid, of_document, of_versions
from rag.vectors.qdrant.snapshots.claims import clear
from rag.vectors.qdrant.snapshots.members import Members

_READ_PATIENCE = 2.0
"""Seconds; a caller waits for the answer."""

_PAGE = 256
_ORDERED = models.WriteOrdering.MEDIUM
"""One replica orders the writes of a shard, so an upsert and a deletion have the same result on all."""

T = TypeVar("T")


class QdrantVectorStore:
    """Safe for threads and forks. A write returns when it has reached all replicas that are up.

    While the server is away, a write is retried for ``patience`` seconds, a read for 2 at most,
    a ping not at all; then Unavailable, Overloaded or TimedOut is raised.
    """

    def __init__(self, nodes: Nodes, settings: Settings, patience: float) -> None:
        self._nodes = nodes
        self._patience = patience
        self._reading = min(patience, _READ_PATIENCE)
        self._layouts = Layouts(nodes, settings, patience)
        self._members = Members(settings)

    def ensure(self, collection: str, spec: CollectionSpec) -> None:
        check_name(collection)
        if self._layouts.complete_lately(collection, spec):
            return
        try:
            layout = self._layouts.read(collection)
        except UnknownCollection:
            self._layouts.create(collection, spec)
            layout = self._layouts.read(collection)
        if layout.spec != spec:
            raise Conflict(f"the collection {collection} was made with {layout.spec}, not with {spec}")
        self._layouts.complete(collection)

    def drop(self, collection: str) -> None:
        info = self._layouts.find(collection)
        if info is None:
            return
        self._layouts.forget(collection)
        clear(self._members, collection, info)
        self._write(collection, lambda client: client.delete_collection(collection))

    def collections(self) -> tuple[str, ...]:
        return self._layouts.names()

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        layout = self._layouts.of(collection)
        check_points(points, layout.spec)
        rows = [(point, payload_for(point, layout.tenant_field)) for point in points]
        self._layouts.cover(collection, range_fields(payload for _, payload in rows))
        for batch in batches(rows, layout.limits.batch):
            self._write(collection, methodcaller("upsert", collection, batch, wait=True, ordering=_ORDERED))

    def delete(
        self,
        collection: str,
        document_id: str,
        *,
        below: int | None = None,
        keep: int | None = None,
        only: int | None = None,
    ) -> None:
        self._layouts.of(collection)
        chosen = models.FilterSelector(filter=of_document(document_id, Versions(below, keep, only)))
        self._write(
            collection, lambda client: client.delete(collection, chosen, wait=True, ordering=_ORDERED)
        )

    def search(self, collection: str, query: SearchQuery) -> list[Hit]:
        layout = self._layouts.of(collection, self._reading)
        check_query(query, layout.spec)
        conditions = parse(query.where)
        compared = set(compared_fields(conditions))
        if not compared <= layout.indexed:
            layout = self._layouts.read(collection, self._reading)
            if not (layout.full or compared <= layout.indexed):
                return []  # no point has the field: a field is indexed before the first point with it
        request = hybrid(query, filter_of(conditions, query.exclude, layout), layout)
        found = self._read(collection, lambda client: client.query_points(collection, **request)).points
        best = sorted(found, key=lambda point: (-point.score, str(point.id)))
        return [Hit(passage_of(str(point.id), point.payload or {}), point.score) for point in best]

    def candidates(self, collection: str, hits: Sequence[Hit]) -> list[Candidate]:
        spec = self._layouts.of(collection, self._reading).spec
        ids = [hit.passage.chunk_id for hit in hits]
        found: dict[str, Vectors] = {}
        for start in range(0, len(ids), SLICE):
            part = ids[start : start + SLICE]
            retrieve = methodcaller("retrieve", collection, part, with_payload=[TOKENS], with_vectors=[DENSE])
            found |= {str(each.id): vectors_of(each, spec) for each in self._read(collection, retrieve)}
        return candidates_of(hits, found)

    def passages(self, collection: str, version: DocumentVersion) -> list[Passage]:
        page = min(_PAGE, self._layouts.of(collection, self._reading).limits.results)
        chosen = of_document(version.document_id, Versions(only=version.version))
        found, offset = self._page(collection, chosen, page, None)
        while offset is not None:
            more, offset = self._page(collection, chosen, page, offset)
            found += more
        return sorted(found, key=lambda passage: passage.index)

    def scroll(
        self,
        collection: str,
        *,
        after: str | None,
        limit: int,
        versions: Sequence[DocumentVersion] | None = None,
    ) -> Window[Point]:
        """Pages of 256 points at most. It waits for a server as long as a write does."""
        layout = self._layouts.of(collection)
        page = min(limit, _PAGE, layout.limits.results)
        start = None if after is None else id_behind(after)
        if after is not None and start is None:
            return Window((), None)
        chosen = None if versions is None else of_versions(versions, layout)
        records, following = self._write(
            collection,
            lambda client: client.scroll(
                collection, chosen, limit=page, offset=start, with_payload=CONTENT, with_vectors=True
            ),
        )
        points = tuple(point_of(record, layout.spec) for record in records)
        return Window(points, points[-1].passage.chunk_id if points and following is not None else None)

    def alias(self, name: str, collection: str) -> None:
        """Removes the old alias and creates the new one in one operation of the server."""
        self._layouts.of(collection)
        created = models.CreateAlias(collection_name=collection, alias_name=name)
        operations: list[models.AliasOperations] = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)),
            models.CreateAliasOperation(create_alias=created),
        ]
        self._write(collection, lambda client: client.update_collection_aliases(operations))

    def count(self, collection: str, document_id: str | None = None) -> int:
        self._layouts.of(collection, self._reading)
        chosen = None if document_id is None else of_document(document_id)
        return self._read(
            collection, lambda client: client.count(collection, count_filter=chosen, exact=True)
        ).count

    def ping(self) -> None:
        # over HTTP even with gRPC, whose library does not survive a fork: parents of pools ping before it
        try:
            self._nodes.call(lambda client: client.http.collections_api.get_collections(), 0.0)
        except UnknownCollection as error:
            raise Unavailable(f"what answers at QDRANT_URL is no Qdrant: {error}") from error

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._nodes.close()
        self._members.close()

    def _page(
        self, collection: str, chosen: models.Filter, limit: int, offset: Any
    ) -> tuple[list[Passage], Any]:
        records, following = self._read(
            collection,
            lambda client: client.scroll(collection, chosen, limit, offset=offset, with_payload=CARRIED),
        )
        return [passage_of(str(record.id), record.payload or {}) for record in records], following

    def _read(self, collection: str, act: Callable[[QdrantClient], T]) -> T:
        return self._call(collection, act, self._reading)

    def _write(self, collection: str, act: Callable[[QdrantClient], T]) -> T:
        return self._call(collection, act, self._patience)

    def _call(self, collection: str, act: Callable[[QdrantClient], T], patience: float) -> T:
        try:
            return self._nodes.call(act, patience)
        except UnknownCollection:
            self._layouts.forget(collection)
            raise
