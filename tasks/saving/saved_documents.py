"""A collection's documents as a portion of a backup."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from rag.digest import ContentDigest
from rag.model import Collection, Document, DocumentVersion, Json
from rag.ports import all_items
from rag.stores.backups.contents import SavedDocument, document_line, documents_stream
from rag.stores.backups.cuts import Line, cut
from tasks.run import StageRun
from tasks.saving.portions import Mark, Piece
from tasks.saving.scope import Scope, current
from tasks.saving.scrolling import Scroll

_PAGE = 500
_RECORD_BYTES = 800


class Tally:
    """What was counted of the documents that are saved, and of their points."""

    def __init__(self, note: Json) -> None:
        self._counts = Counter({name: note.get(name, 0) for name in ("documents", "late", "lacking")})
        self._points = ContentDigest(note.get("points", 0), int(note.get("digest", "0"), 16))

    def add(self, saved: SavedDocument, *, lacking: bool) -> None:
        """``lacking``: its points should all be there."""
        self._counts["late" if saved.late else "documents"] += 1
        self._counts["lacking"] += lacking
        self._points += saved.points or ContentDigest()

    def note(self) -> Json:
        return {**self._counts, "points": self._points.points, "digest": str(self._points)}


@dataclass(frozen=True, slots=True)
class Documents:
    """Those that searches see, by id. Its note has the figures that the manifest shows of the collection.

    ``dropped``: the collection was, so that all the rest says nothing.
    """

    run: StageRun
    scope: Scope
    collection: Collection
    piece_bytes: int

    @property
    def name(self) -> str:
        return documents_stream(self.collection.store)

    @property
    def size(self) -> int:
        return self.collection.documents * _RECORD_BYTES

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        if "dropped" in mark.note:
            return
        scroll, tally, last = Scroll.kept(self.run, self.collection.store), Tally(mark.note), mark.at
        for data, last in cut(self._lines(scroll, tally, mark.at or None), self.piece_bytes):
            yield Piece(Mark(last, tally.note()), self.name, data)
        yield Piece(Mark(last, {**tally.note(), **self._closing(scroll)}), self.name)

    def _lines(self, scroll: Scroll, tally: Tally, after: str | None) -> Iterator[Line]:
        """Each is counted when it is taken."""
        for document in self._documents(after):
            saved = self._saved(scroll, document)
            tally.add(saved, lacking=saved.late and not self.scope.late(document))
            yield Line(document.document_id, document_line(saved))

    def _documents(self, after: str | None) -> Iterator[Document]:
        return all_items(partial(self.run.tools.documents.page, self.collection.name, limit=_PAGE), after)

    def _saved(self, scroll: Scroll, document: Document) -> SavedDocument:
        points = scroll.digest_of(DocumentVersion(document.document_id, document.version))
        certain = points.points == document.chunks and not self.scope.late(document)
        return SavedDocument(document, points if certain else None)

    def _closing(self, scroll: Scroll) -> Json:
        """What is known only behind the last document."""
        documents = self.run.tools.documents
        return {
            "dropped": current(self.run.tools, self.collection) is None,
            "highest": documents.highest(self.collection.name),
            "token_dimension": scroll.token_dimension,
        }
