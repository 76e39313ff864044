"""A collection's documents as a portion of a backup."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from rag.backups.contents import Line, SavedDocument, cut, document_line, documents_stream
from rag.backups.digest import ContentDigest
from rag.model import Collection, Json
from rag.ports import all_items
from tasks.backups.progress import Mark, Piece
from tasks.backups.saved_points import rows_of
from tasks.backups.scope import Scope, current
from tasks.stages.run import StageRun

_PAGE = 500
_RECORD_BYTES = 800
_COUNTS = 3

SAMPLED = 40
"""Documents from which the golden queries are taken."""


class Tally:
    """Counts the saved documents and their points.

    It also samples some documents, evenly over all, and the same ones as long as they are there.
    """

    def __init__(self, note: Json) -> None:
        self._counts = Counter({name: note.get(name, 0) for name in ("documents", "late", "lacking")})
        self._points = ContentDigest(note.get("points", 0), int(note.get("digest", "0"), 16))
        self._packs = Counter[str](note.get("packs", {}))
        self._sample = [tuple(each) for each in note.get("sample", ())]

    def add(self, saved: SavedDocument, *, lacking: bool) -> None:
        """``lacking``: its points are not all there, though they should be."""
        self._counts["late" if saved.late else "documents"] += 1
        self._counts["lacking"] += lacking
        self._points += saved.points or ContentDigest()
        for blob in saved.blobs:
            self._packs[blob.stream] += blob.size
        if saved.blobs:
            rank = blake2b(saved.document.document_id.encode(), digest_size=8).hexdigest()
            sampled = (rank, saved.document.document_id, saved.document.version)
            if len(self._sample) < SAMPLED or sampled < self._sample[-1]:
                self._sample = sorted((*self._sample, sampled))[:SAMPLED]

    def note(self) -> Json:
        points = {"points": self._points.points, "digest": str(self._points)}
        return {**self._counts, **points, "packs": dict(self._packs), "sample": self._sample}


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents that searches see, by id. Its note has the figures of the collection for the manifest.

    ``points``: the note of the portion that has packed their points; None where there was no store. In the
    note, ``dropped`` means that the collection was dropped, so that the other figures say nothing.
    """

    run: StageRun
    scope: Scope
    collection: Collection
    points: Json | None
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
        tally, last = Tally(mark.note), mark.at
        for data, last in cut(self._lines(tally, mark.at or None), self.piece_bytes):
            yield Piece(Mark(last, tally.note()), self.name, data)
        note, tools = tally.note(), self.run.tools
        # All of this is known only behind the last document.
        dropped = current(tools, self.collection) is None
        note |= {
            "dropped": dropped,
            "lacking": note["lacking"] or int(not dropped and self._lacks_points()),
            "highest": tools.documents.highest(self.collection.name),
            "token_dimension": (self.points or {}).get("token_dimension"),
        }
        yield Piece(Mark(last, note), self.name)

    def _lines(self, tally: Tally, after: str | None) -> Iterator[Line]:
        """Count each document, and yield its line. One published since its points were read is late."""
        rows = iter(()) if self.points is None else rows_of(self.run, self.collection, self.points)
        row = next(rows, None)
        page = partial(self.run.tools.documents.page, self.collection.name, limit=_PAGE)
        for document in all_items(page, after):
            while row and row.version.document_id < document.document_id:
                row = next(rows, None)
            saved = SavedDocument(document, None)
            if row and row.version == saved.version:
                saved = SavedDocument(document, row.digest, row.blobs)
            # Without points, though it was published long before: the engine has lost them.
            tally.add(saved, lacking=saved.late and not self.scope.late(document))
            yield Line(document.document_id, document_line(saved))

    def _lacks_points(self) -> bool:
        """Whether the engine has lost points, also of documents that only an earlier backup has read.

        Documents come and go during a count, so too few points are believed only after several counts.
        """
        if self.points is None:
            return False
        tools = self.run.tools
        for _ in range(_COUNTS):
            before = current(tools, self.collection)
            points = tools.vectors.count(self.collection.store)
            after = current(tools, self.collection)
            if before is None or after is None or points >= min(before.chunks, after.chunks):
                return False
        return True
