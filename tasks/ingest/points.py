"""Writes the points of a document's chunks, a slice at a time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import NotFound
from rag.model import Chunk, Collection, CollectionSpec, Layout
from tasks.documents.layouts import numbers_of, passage_of, point_alias, point_of, vectors_key
from tasks.ingest.sources import SourceNote
from tasks.stages import artefacts
from tasks.stages.stage import Shared, SharedCalls, StageRun

SLICE = 64
"""Chunks that are embedded, stored and indexed at a time: bounds memory, and the work lost in a crash."""

WRITTEN = "written"
"""Artefact: how far the attempt before came."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is published of a document. ``given_title``: the one that was sent, or ""."""

    title: str
    chunks: Sequence[Chunk]
    note: SourceNote
    given_title: str

    @property
    def searched_title(self) -> str:
        """The title that stands nowhere in the text: the given one, or that of the file's name; or ""."""
        return self.given_title or self.note.file_title


def write_slice(
    run: StageRun, collection: Collection, layout: Layout, start: int, *, content: Content
) -> SharedCalls:
    """Write the points of the slice that begins with the chunk ``start``, and tell the progress."""
    vectors, store = run.tools.vectors, collection.store_of(layout)
    if run.cancelled():
        return
    chunks = content.chunks
    embeddings = artefacts.unpack_embeddings(run.tools.blobs.get(vectors_key(run.job, layout, start)))
    if start == 0:
        tokens = embeddings[0].tokens
        columns = None if tokens is None else tokens.shape[1]
        vectors.ensure(store, CollectionSpec(len(embeddings[0].dense), columns))
        if collection.documents == 0 and layout == collection.serving:
            point_alias(vectors, collection)
    pairs = zip(chunks[start : start + SLICE], embeddings, strict=True)
    passages = (
        (passage_of(run.job, content.title, content.searched_title, chunk), embedding)
        for chunk, embedding in pairs
    )
    points = [point_of(passage, embedding, run.tools.settings) for passage, embedding in passages]
    yield Shared(vectors.upsert, points, of=(store,))
    if len(chunks) > SLICE:
        run.progress(min(start + SLICE, len(chunks)), len(chunks))


def slices_written(run: StageRun, collection: Collection) -> int:
    """How many slices of points the attempt before this one wrote before it gave way.

    0 if any other attempt came between: what a failed attempt left may be removed already.
    """
    try:
        token, numbers, slices = json.loads(run.load(WRITTEN))
    except NotFound:
        return 0
    same = token + 1 == run.lease.token and numbers == list(numbers_of(collection))
    return int(slices) if same else 0


def note_slices_written(run: StageRun, collection: Collection, slices: int) -> None:
    """Store for :func:`slices_written` of the next attempt how many slices were written."""
    written = [run.lease.token, list(numbers_of(collection)), slices]
    run.save(WRITTEN, json.dumps(written).encode())
