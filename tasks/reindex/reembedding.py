"""Re-embedding: copies documents from the layout that serves into the second one, a batch at a time."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

from rag.errors import NotFound
from rag.model import Collection, CollectionSpec, Document, DocumentVersion, Layout, Passage
from rag.ports import Embedder, JobStore
from tasks.documents.layouts import embedder_of, point_of
from tasks.reindex.comparison import Sample
from tasks.stages.run import StageRun

BATCH_CHUNKS = 256
"""Chunks of the documents that are written together: bounds memory, and the work lost in a crash."""

_CALL = 64  # passages in one call to the model and to the store
_PAGE = 64  # documents

_CURSOR = "cursor"

Piece = tuple[Document, Passage]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The progress of a reindex, which its job stores from slice to slice.

    Documents up to the id ``after`` are in the layout, except ``batch``, which is being written.
    ``done`` counts documents, ``missing`` chunks that the serving layout itself lacks.
    """

    layout: int
    after: str | None = None
    done: int = 0
    missing: int = 0
    complete: bool = False
    batch: tuple[DocumentVersion, ...] = ()
    sample: Sample = field(default_factory=Sample)


def save_cursor(run: StageRun, cursor: Cursor) -> None:
    run.save(_CURSOR, json.dumps(asdict(cursor), separators=(",", ":")).encode())


def load_cursor(jobs: JobStore, job_id: str, layout: int) -> Cursor | None:
    """The job's cursor, a new one if it saved that of another layout; None if it saved none."""
    try:
        fields = json.loads(jobs.artefact(job_id, _CURSOR))
    except NotFound:
        return None
    batch = tuple(DocumentVersion(**version) for version in fields["batch"])
    cursor = Cursor(**{**fields, "batch": batch, "sample": Sample.of(fields["sample"])})
    return cursor if cursor.layout == layout else Cursor(layout)


@dataclass(frozen=True, slots=True)
class Reembedding:
    """Fills ``layout`` of ``collection`` under the job of ``run``."""

    run: StageRun
    collection: Collection
    layout: Layout

    @property
    def store(self) -> str:
        return self.collection.store_of(self.layout)

    def prepare(self, cursor: Cursor) -> Cursor:
        """Make the store. Remove the interrupted batch's points of replaced and deleted documents."""
        embedder = embedder_of(self.run.tools, self.layout, self.run.job)
        spec = CollectionSpec(self.layout.dimension, embedder.token_dimension)
        self.run.tools.vectors.ensure(self.store, spec)
        self._remove_stale(cursor.batch)
        return replace(cursor, batch=())

    def advance(self, cursor: Cursor) -> Cursor:
        """Write the next documents. The cursor is saved before their first point, and after their last."""
        documents, last = self._next(cursor)
        versions = tuple(DocumentVersion(each.document_id, each.version) for each in documents)
        save_cursor(self.run, replace(cursor, batch=versions))
        pieces = [
            (document, passage)
            for document, version in zip(documents, versions, strict=True)
            for passage in self.run.tools.vectors.passages(self.collection.store, version)
        ]
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
        save_cursor(self.run, cursor)
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

    def _write(self, pieces: Sequence[Piece]) -> None:
        tools, embedder = self.run.tools, embedder_of(self.run.tools, self.layout, self.run.job)
        for call in _calls(pieces, embedder):
            if self.run.cancelled():
                return
            embeddings = embedder.embed_passages([passage.text for _, passage in call])
            points = [
                point_of(passage, embedding, tools.settings)
                for (_, passage), embedding in zip(call, embeddings, strict=True)
            ]
            tools.vectors.upsert(self.store, points)

    def _remove_stale(self, versions: Sequence[DocumentVersion]) -> set[str]:
        """Remove points of documents that were replaced or deleted meanwhile. Returns their ids."""
        stale = self.run.tools.documents.stale(self.collection.name, versions)
        for version in stale:
            self.run.tools.vectors.delete(self.store, version.document_id, only=version.version)
        return {version.document_id for version in stale}


def _calls(pieces: Sequence[Piece], embedder: Embedder) -> Iterator[Sequence[Piece]]:
    """Batches of passages: of many documents where no vector depends on its neighbours, else of one."""
    groups: Iterable[Sequence[Piece]] = [pieces]
    if not embedder.independent:
        groups = [list(group) for _, group in groupby(pieces, key=lambda piece: piece[0].document_id)]
    for group in groups:
        for start in range(0, len(group), _CALL):
            yield group[start : start + _CALL]
