"""Golden queries: questions to a collection whose hits are known, to compare a restored one by."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rag.backups.contents import GoldenHit, GoldenQuery, golden_line, golden_stream
from rag.errors import UnknownCollection
from rag.model import Collection, DocumentVersion, Hit, Json, Point, SearchQuery, Vector
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
    """Sentences of the collection, asked by their words and by the meaning of the passage they are in.

    The passage's own vector stands for the meaning, so that no model is needed to ask, now or later.
    ``documents``: the note of the portion that has saved them.
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
        found = None if mark.at else current(self.run.tools, self.collection)
        if found is not None:
            data = b"".join(golden_line(query) for query in self._queries(found))
            yield Piece(Mark("asked"), self.name, data)

    def _queries(self, collection: Collection) -> Iterator[GoldenQuery]:
        sampled = [DocumentVersion(*each) for _, *each in self.documents["sample"]]
        stale = self.run.tools.documents.stale(collection.name, sampled)
        found = (self._sentence(collection, version) for version in sampled if version not in stale)
        for sentence, dense in islice(filter(None, found), QUERIES):
            yield self._asked(collection, sentence, dense)

    def _sentence(self, collection: Collection, version: DocumentVersion) -> tuple[str, Vector] | None:
        """With the vector of its passage; None where there is none, or the document is not there any more."""
        found = ((sentence_of(point.passage), point) for point in self._points(collection, version))
        return next(((sentence, point.dense) for sentence, point in found if sentence), None)

    def _points(self, collection: Collection, version: DocumentVersion) -> tuple[Point, ...]:
        vectors = self.run.tools.vectors
        try:
            window = vectors.scroll(collection.store, after=None, limit=_LOOKED_AT, versions=[version])
        except UnknownCollection:  # dropped in this moment
            return ()
        return tuple(window.items)

    def _asked(self, collection: Collection, text: str, dense: Vector) -> GoldenQuery:
        sparse = lexical.encode_question(text)
        query = SearchQuery(dense=dense, sparse=sparse, limit=DEPTH)
        hits = visible_hits(self.run.tools, collection, query)
        return GoldenQuery(text, dense, sparse, tuple(map(_golden, hits)))


def _golden(hit: Hit) -> GoldenHit:
    passage = hit.passage
    return GoldenHit(passage.chunk_id, passage.document_id, passage.version, hit.score)
