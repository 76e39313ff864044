"""Points as portions of a backup: packed together, and read once, since those of a version never change.

Points that the newest backup has already stay in its packs, which this backup takes over.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from heapq import merge
from itertools import chain

from rag.backups.contents import SavedBlob, SavedPoints, points_line, points_stream, saved_points
from rag.backups.digest import ContentDigest, digest_of
from rag.backups.points import packed
from rag.errors import UnknownCollection
from rag.model import Collection, DocumentVersion, Json, Point, Stream
from rag.ports import Window, all_items
from tasks.backups.earlier import EarlierBackup, EarlierPoints
from tasks.backups.progress import Mark, Piece, load_rows, save_rows
from tasks.backups.scope import Scope, current
from tasks.stages.run import StageRun

POINTS_A_BLOB = 256
_BATCH_POINTS = 512  # of several documents that are read together

_PAGE = 256
_POINT_BYTES = 20_000
_DOCUMENTS_PAGE = 500


@dataclass(frozen=True, slots=True)
class Unread:
    """A version whose points are still to be read; ``points``: how many there should be."""

    version: DocumentVersion
    points: int


@dataclass(slots=True)
class Pack:
    """A pack of a collection's points as it is filled. ``rows``: the versions that are complete with it.

    ``begun``: the points so far of versions that are not complete yet, in this pack and in those before it.
    ``token_dimension``: of the points so far; None while none has had token vectors.
    """

    stream: str
    token_dimension: int | None
    begun: dict[DocumentVersion, SavedPoints]
    data: bytearray = field(default_factory=bytearray)
    rows: list[bytes] = field(default_factory=list)

    def add(self, points: Iterable[Point]) -> None:
        """Pack the points, in a blob for each version."""
        versions: dict[DocumentVersion, list[Point]] = {}
        for point in points:
            version = DocumentVersion(point.passage.document_id, point.passage.version)
            versions.setdefault(version, []).append(point)
        for version, own in versions.items():
            self._add(version, own)

    def _add(self, version: DocumentVersion, points: Sequence[Point]) -> None:
        self.token_dimension = next(
            (each.tokens.shape[1] for each in points if each.tokens is not None), self.token_dimension
        )
        blob = packed(points, self.token_dimension)
        place = SavedBlob("", len(blob), sha256(blob).hexdigest(), self.stream, len(self.data))
        self.data += blob
        before = self.begun.get(version, SavedPoints(version, ContentDigest(), ()))
        digest = sum(map(digest_of, points), before.digest)
        self.begun[version] = SavedPoints(version, digest, (*before.blobs, place))

    def close(self, unread: Unread) -> None:
        """End a version: it gets a row if its points are all there."""
        none = SavedPoints(unread.version, ContentDigest(), ())
        found = self.begun.pop(unread.version, none)
        if found.digest.points == unread.points:
            self.rows.append(points_line(found))


@dataclass(frozen=True, slots=True)
class Points:
    """The points of the versions that searches see at its start. :func:`rows_of` tells where they are."""

    run: StageRun
    scope: Scope
    collection: Collection
    earlier: EarlierBackup
    part_bytes: int

    @property
    def name(self) -> str:
        return points_stream(self.collection.store)

    @property
    def size(self) -> int:
        return 0 if self.scope.earlier else self.collection.chunks * _POINT_BYTES

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        """A mark is the index of an unread version; its note has the id of its point that was read last."""
        if not mark.at:
            earlier = self.earlier.points_of(self.collection, self.part_bytes)
            mark = Mark("0", {"token_dimension": earlier.token_dimension})
            yield Piece(mark, carried=self._plan(earlier))
        rows = map(json.loads, load_rows(self.run, f"{self.name}unread"))
        unread = [
            Unread(DocumentVersion(document_id, version), points) for document_id, version, points in rows
        ]
        while int(mark.at) < len(unread):
            mark, pack = self._pack(unread, mark)
            yield Piece(mark, pack.stream, bytes(pack.data))

    def _plan(self, earlier: EarlierPoints) -> tuple[Stream, ...]:
        """Save which versions stay in their packs and which are to be read; return the packs."""
        kept, unread = list[bytes](), list[bytes]()
        packs = set[str]()
        documents = partial(self.run.tools.documents.page, self.collection.name, limit=_DOCUMENTS_PAGE)
        for document in all_items(documents):
            if found := earlier.of(document):
                kept.append(points_line(found))
                packs.update(blob.stream for blob in found.blobs)
            else:
                row = [document.document_id, document.version, document.chunks]
                unread.append(json.dumps(row).encode() + b"\n")
        save_rows(self.run, f"{self.name}kept", kept)
        save_rows(self.run, f"{self.name}unread", unread)
        return tuple(earlier.packs[name] for name in sorted(packs))

    def _pack(self, unread: Sequence[Unread], mark: Mark) -> tuple[Mark, Pack]:
        """Fill the next pack and save its rows; return the mark behind it, and the pack."""
        number, at, after = mark.note.get("packs", 0), int(mark.at), mark.note.get("after")
        rows = [saved_points(line.encode()) for line in mark.note.get("begun", ())]
        stream = points_stream(self.collection.store, f"{self.run.job.id}-{number}")
        pack = Pack(stream, mark.note.get("token_dimension"), {row.version: row for row in rows})
        while at < len(unread) and len(pack.data) < self.part_bytes:
            end, points = at + 1, unread[at].points
            while end < len(unread) and points + unread[end].points <= _BATCH_POINTS:
                points += unread[end].points
                end += 1
            after = self._add(pack, unread[at:end], after)
            if after is None:
                at = end
        save_rows(self.run, f"{self.name}{number}", pack.rows)
        begun = [points_line(each).decode() for each in pack.begun.values()]
        note = {"packs": number + 1, "token_dimension": pack.token_dimension, "after": after, "begun": begun}
        return Mark(str(at), note), pack

    def _add(self, pack: Pack, batch: Sequence[Unread], after: str | None) -> str | None:
        """Read the batch into the pack; None, or the id of the last point read if the pack was full before.

        Each of several versions becomes one blob, in whatever order their points come; a long version that
        is read by itself becomes several.
        """
        most = POINTS_A_BLOB if len(batch) == 1 else _BATCH_POINTS
        points: list[Point] = []
        while True:
            window = self._window([each.version for each in batch], after)
            points += window.items
            after = window.next
            if after is None or len(points) >= most:
                pack.add(points)
                points = []
            if after is None:
                break
            if not points and len(pack.data) >= self.part_bytes:
                return after
        for each in batch:
            pack.close(each)
        return None

    def _window(self, versions: Sequence[DocumentVersion], after: str | None) -> Window[Point]:
        """The next points; none if the collection was dropped meanwhile."""
        try:
            return self.run.tools.vectors.scroll(
                self.collection.store, after=after, limit=_PAGE, versions=versions
            )
        except UnknownCollection:
            if current(self.run.tools, self.collection):
                raise
            return Window(items=(), next=None)


def rows_of(run: StageRun, collection: Collection, note: Json) -> Iterator[SavedPoints]:
    """Where the points of each saved version are, by document id. ``note``: of the portion of points."""
    name = points_stream(collection.store)
    made = (map(saved_points, load_rows(run, f"{name}{number}")) for number in range(note.get("packs", 0)))
    kept = map(saved_points, load_rows(run, f"{name}kept"))
    return merge(kept, chain.from_iterable(made), key=lambda row: row.version.document_id)
