"""A collection's documents as a portion of a backup."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from rag.backups.contents import Line, SavedDocument, cut, document_line, documents_stream
from rag.backups.digest import ContentDigest
from rag.model import Collection, Document, DocumentVersion, Json
from rag.ports import all_items
from tasks.backups.progress import Mark, Piece
from tasks.backups.saved_points import rows_of
from tasks.backups.scope import Scope, current
from tasks.stages.run import StageRun

_PAGE = 500
_RECORD_BYTES = 800
_LOOKS = 3

SAMPLED = 40
"""Documents."""


class Tally:
    """What was counted of the documents that are saved, and of their points.

    ``sample``: some of the documents, evenly over all, and the same ones as long as they are there.
    """

    def __init__(self, note: Json) -> None:
        self._counts = Counter({name: note.get(name, 0) for name in ("documents", "late", "lacking")})
        self._points = ContentDigest(note.get("points", 0), int(note.get("digest", "0"), 16))
        self._packs = Counter[str](note.get("packs", {}))
        self._sample = [tuple(each) for each in note.get("sample", ())]

    def add(self, saved: SavedDocument, *, lacking: bool) -> None:
        """``lacking``: its points should all be there."""
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
    """Those that searches see, by id. Its note has the figures that the manifest shows of the collection.

    ``points``: the note of the portion that has packed their points, None where there was no store.
    ``dropped``: the collection was, so that all the rest says nothing.
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
        note = tally.note()
        yield Piece(Mark(last, {**note, **self._closing(note)}), self.name)

    def _lines(self, tally: Tally, after: str | None) -> Iterator[Line]:
        """Each is counted when it is taken. One that was published since points were read is late."""
        rows = iter(()) if self.points is None else rows_of(self.run, self.collection, self.points)
        row = next(rows, None)
        for document in self._documents(after):
            while row and row.version.document_id < document.document_id:
                row = next(rows, None)
            version = DocumentVersion(document.document_id, document.version)
            there = row if row and row.version == version else None
            saved = (
                SavedDocument(document, there.digest, there.blobs) if there else SavedDocument(document, None)
            )
            tally.add(saved, lacking=saved.late and not self.scope.late(document))
            yield Line(document.document_id, document_line(saved))

    def _documents(self, after: str | None) -> Iterator[Document]:
        return all_items(partial(self.run.tools.documents.page, self.collection.name, limit=_PAGE), after)

    def _closing(self, note: Json) -> Json:
        """What is known only behind the last document."""
        documents = self.run.tools.documents
        dropped = current(self.run.tools, self.collection) is None
        lacking = note["lacking"] or int(not dropped and self._lacks_points())
        return {
            "dropped": dropped,
            "lacking": lacking,
            "highest": documents.highest(self.collection.name),
            "token_dimension": (self.points or {}).get("token_dimension"),
        }

    def _lacks_points(self) -> bool:
        """Whether the engine has lost points, also of those that an earlier backup has and nobody read again.

        Documents come and go while it is counted, so it is counted again before it is believed.
        """
        return self.points is not None and all(self._has_too_few() for _ in range(_LOOKS))

    def _has_too_few(self) -> bool:
        tools = self.run.tools
        before = current(tools, self.collection)
        points = tools.vectors.count(self.collection.store)
        after = current(tools, self.collection)
        return before is not None and after is not None and points < min(before.chunks, after.chunks)
