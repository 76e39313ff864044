"""Golden queries: questions to a collection whose hits are known, to compare a restored one by."""

from collections.abc import Iterator
from dataclasses import dataclass

from rag import lexical
from rag.errors import UnknownCollection
from rag.model import Collection, Hit, SearchQuery, Vector
from rag.stores.backups.contents import GoldenHit, GoldenQuery, golden_line, golden_stream
from tasks.answer import visible_hits
from tasks.run import StageRun
from tasks.sampling import Specimen
from tasks.saving.portions import Mark, Piece
from tasks.saving.scope import current
from tasks.saving.scrolling import Scroll

QUERIES = 20
DEPTH = 10

_QUERY_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Golden:
    """Sentences of the collection, asked by their words and by the meaning of the passage they are in.

    The passage's own vector stands for the meaning, so that no model is needed to ask, now or later.
    """

    run: StageRun
    collection: Collection

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
        specimens = Scroll.kept(self.run, collection.store).sample.specimens[:QUERIES]
        stale = self.run.tools.documents.stale(collection.name, (each.document for each in specimens))
        for specimen in specimens:
            dense = None if specimen.document in stale else self._vector_of(collection, specimen)
            if dense is not None:
                yield self._asked(collection, specimen.sentence, dense)

    def _vector_of(self, collection: Collection, specimen: Specimen) -> Vector | None:
        """None of a passage that is not there any more."""
        vectors = self.run.tools.vectors
        try:
            passages = vectors.passages(collection.store, specimen.document)
            own = [Hit(passage, 0.0) for passage in passages if passage.chunk_id == specimen.chunk_id]
            return next((each.dense for each in vectors.candidates(collection.store, own)), None)
        except UnknownCollection:  # dropped in this moment
            return None

    def _asked(self, collection: Collection, text: str, dense: Vector) -> GoldenQuery:
        sparse = lexical.encode_question(text)
        query = SearchQuery(dense=dense, sparse=sparse, limit=DEPTH)
        hits = visible_hits(self.run.tools, collection, query)
        return GoldenQuery(text, dense, sparse, tuple(map(_golden, hits)))


def _golden(hit: Hit) -> GoldenHit:
    passage = hit.passage
    return GoldenHit(passage.chunk_id, passage.document_id, passage.version, hit.score)
