"""Golden queries: questions with known hits, to compare a restored collection with the saved one."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rag.backups.contents import GoldenHit, GoldenQuery, golden_line, golden_stream
from rag.errors import UnknownCollection
from rag.model import Collection, DocumentVersion, Json, SearchQuery, Vector
from rag.text import lexical
from tasks.answer.answer import visible_hits
from tasks.backups.progress import Mark, Piece
from tasks.backups.scope import current
from tasks.reindex.comparison import sentence_of
from tasks.stages.run import StageRun

QUERIES = 20
DEPTH = 10

_QUERY_BYTES = 4000
_LOOKED_AT = 4  # points of a document, of which one is to have a sentence


@dataclass(frozen=True, slots=True)
class GoldenQueries:
    """Sentences of the collection, as questions with the vector of the passage that they stand in.

    So no model is needed to ask them, now or later. ``documents``: the note of that portion.
    """

    run: StageRun
    collection: Collection
    documents: Json

    @property
    def name(self) -> str:
        return golden_stream(self.collection.store)

    @property
    def size(self) -> int:
        return QUERIES * _QUERY_BYTES

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        tools = self.run.tools
        collection = None if mark.at else current(tools, self.collection)
        if collection is None:
            return
        sampled = [DocumentVersion(*each) for _, *each in self.documents["sample"]]
        stale = tools.documents.stale(collection.name, sampled)
        found = (self._sentence(collection, version) for version in sampled if version not in stale)
        data = b""
        for text, dense in islice(filter(None, found), QUERIES):
            sparse = lexical.encode_question(text)
            hits = visible_hits(tools, collection, SearchQuery(dense=dense, sparse=sparse, limit=DEPTH))
            golden = (
                GoldenHit(hit.passage.chunk_id, hit.passage.document_id, hit.passage.version, hit.score)
                for hit in hits
            )
            data += golden_line(GoldenQuery(text, dense, sparse, tuple(golden)))
        yield Piece(Mark("asked"), self.name, data)

    def _sentence(self, collection: Collection, version: DocumentVersion) -> tuple[str, Vector] | None:
        """A sentence with its passage's vector; None if there is no sentence, or no document any more."""
        vectors = self.run.tools.vectors
        try:
            window = vectors.scroll(collection.store, after=None, limit=_LOOKED_AT, versions=[version])
        except UnknownCollection:  # it was dropped in this moment
            return None
        found = ((sentence_of(point.passage), point) for point in window.items)
        return next(((sentence, point.dense) for sentence, point in found if sentence), None)
