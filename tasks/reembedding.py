"""Documents from the layout that serves into the second one, a batch at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.model import Collection, CollectionSpec, Document, DocumentVersion, Layout, Passage
from rag.ports import Embedder
from tasks.cursor import Cursor, keep
from tasks.layouts import embedder_of
from tasks.points import point_of
from tasks.run import StageRun

BATCH_CHUNKS = 256
"""Of documents that are written together: bounds memory, and what is embedded again after a crash."""

_CALL = 64  # passages in one call to the model and to the store
_PAGE = 64  # documents

Piece = tuple[Document, Passage]


@dataclass(frozen=True, slots=True)
class Reembedding:
    """``layout`` of ``collection`` is filled under ``run``."""

    run: StageRun
    collection: Collection
    layout: Layout

    @property
    def store(self) -> str:
        return self.collection.store_of(self.layout)

    def prepare(self, cursor: Cursor) -> Cursor:
        """Make the store, and remove of an attempt that broke off what was replaced or deleted since."""
        embedder = embedder_of(self.run.tools, self.layout, self.run.job)
        spec = CollectionSpec(self.layout.dimension, embedder.token_dimension)
        self.run.tools.vectors.ensure(self.store, spec)
        self._remove_stale(cursor.batch)
        return replace(cursor, batch=())

    def advance(self, cursor: Cursor) -> Cursor:
        """Write the next documents. Kept before the first of their points is there, and after the last."""
        documents, last = self._next(cursor)
        versions = tuple(DocumentVersion(each.document_id, each.version) for each in documents)
        keep(self.run, replace(cursor, batch=versions))
        pieces = [piece for document in documents for piece in self._pieces(document)]
        self._write(pieces)
        stale = self._remove_stale(versions)
        lacking = sum(each.chunks for each in documents if each.document_id not in stale)
        present = sum(document.document_id not in stale for document, _ in pieces)
        cursor = replace(
            cursor,
            after=documents[-1].document_id if documents else cursor.after,
            done=cursor.done + len(documents),
            missing=cursor.missing + max(0, lacking - present),
            complete=last,
            sample=cursor.sample.with_passages(passage for _, passage in pieces),
        )
        keep(self.run, cursor)
        return cursor

    def _next(self, cursor: Cursor) -> tuple[list[Document], bool]:
        """The next documents by id, and whether they are the last."""
        documents = self.run.tools.documents
        window = documents.page(self.collection.name, cursor=cursor.after, limit=_PAGE)
        batch: list[Document] = []
        for document in window.items:
            if batch and sum(each.chunks for each in batch) + document.chunks > BATCH_CHUNKS:
                return batch, False
            batch.append(document)
        return batch, window.next is None

    def _pieces(self, document: Document) -> Iterator[Piece]:
        version = DocumentVersion(document.document_id, document.version)
        for passage in self.run.tools.vectors.passages(self.collection.store, version):
            yield document, passage

    def _write(self, pieces: Sequence[Piece]) -> None:
        tools, embedder = self.run.tools, embedder_of(self.run.tools, self.layout, self.run.job)
        for call in _calls(pieces, embedder):
            if self.run.cancelled():
                return
            embeddings = embedder.embed_passages([passage.text for _, passage in call])
            points = [
                point_of(passage, embedding, document.given_title)
                for (document, passage), embedding in zip(call, embeddings, strict=True)
            ]
            tools.vectors.upsert(self.store, points)

    def _remove_stale(self, versions: Sequence[DocumentVersion]) -> set[str]:
        """Ids of documents that were replaced or deleted while their points were written."""
        stale = self.run.tools.documents.stale(self.collection.name, versions)
        for version in stale:
            self.run.tools.vectors.delete(self.store, version.document_id, only=version.version)
        return {version.document_id for version in stale}


def _calls(pieces: Sequence[Piece], embedder: Embedder) -> Iterator[Sequence[Piece]]:
    """Passages of many documents together, where no vector depends on its neighbours."""
    groups = [pieces] if embedder.independent else _by_document(pieces)
    for group in groups:
        for start in range(0, len(group), _CALL):
            yield group[start : start + _CALL]


def _by_document(pieces: Sequence[Piece]) -> list[list[Piece]]:
    groups: dict[str, list[Piece]] = {}
    for document, passage in pieces:
        groups.setdefault(document.document_id, []).append((document, passage))
    return list(groups.values())
