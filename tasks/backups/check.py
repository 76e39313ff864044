"""Compares a loaded store with what its backup says of it, before searches see the store."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from rag.backups.digest import ContentDigest, digests
from rag.backups.packs import OpenBackup
from rag.errors import DamagedBackup, NotFound
from rag.model import DocumentVersion, JobKind, Json, Point, SavedCollection
from rag.ports import Window
from tasks.backups.golden_queries import DEPTH
from tasks.backups.plan import PlannedCollection, Slice
from tasks.stages.run import StageRun

NAMED = 5
"""Documents that an error names."""

LEAST_OVERLAP = 0.9
"""The part of the golden queries' hits that a rehearsal has to find again, among twice as many hits."""

_PAGE = 256
_NAME = "digests"
_KEY_BYTES, _TOTAL_BYTES = 16, 32
_ROW = struct.Struct(f">{_KEY_BYTES}sI{_TOTAL_BYTES}s")  # a version's key, its points and their digest


@dataclass(slots=True)
class Scroll:
    """How far the points of ``store`` are read: up to the id ``after``. ``sums``: digests by version."""

    store: str
    after: str | None = None
    complete: bool = False
    sums: dict[bytes, ContentDigest] = field(default_factory=dict)

    @classmethod
    def load(cls, run: StageRun, store: str) -> "Scroll":
        """As far as the job has come; from the beginning if it has saved nothing of this store."""
        try:
            head, _, table = run.load(_NAME).partition(b"\n")
        except NotFound:
            return cls(store)
        fields, sums = json.loads(head), dict[bytes, ContentDigest]()
        if fields["store"] != store:
            return cls(store)
        for start in range(0, len(table), _ROW.size):
            key, points, total = _ROW.unpack_from(table, start)
            sums[key] = ContentDigest(points, int.from_bytes(total))
        return cls(**fields, sums=sums)

    def save(self, run: StageRun) -> None:
        """In one artefact, so that no point is counted twice; 52 bytes a document."""
        rows = (
            _ROW.pack(key, each.points, each.total.to_bytes(_TOTAL_BYTES)) for key, each in self.sums.items()
        )
        head = {"store": self.store, "after": self.after, "complete": self.complete}
        run.save(_NAME, json.dumps(head).encode() + b"\n" + b"".join(rows))

    def add(self, window: Window[Point]) -> None:
        """Add the digests of the next points."""
        for version, digest in digests(window.items).items():
            key = _key(version)
            self.sums[key] = self.sums.get(key, ContentDigest()) + digest
        self.after, self.complete = window.next, window.next is None

    def digest_of(self, version: DocumentVersion) -> ContentDigest:
        return self.sums.get(_key(version), ContentDigest())


def _key(version: DocumentVersion) -> bytes:
    return blake2b(f"{version.version} {version.document_id}".encode(), digest_size=_KEY_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Checking:
    """Compares ``planned`` with ``saved`` of ``backup``."""

    run: StageRun
    backup: OpenBackup
    planned: PlannedCollection
    saved: SavedCollection

    def check(self, turn: Slice) -> PlannedCollection | None:
        """The planned collection with its figures; None when the turn is over before they are complete.

        Points of versions that are none of the backup's documents are removed. Raises DamagedBackup, which
        names documents that differ from what was saved.
        """
        versions = {
            each.document.document_id: each.document.version for each in self.backup.documents(self.saved)
        }
        scroll = Scroll.load(self.run, self.planned.store)
        while not scroll.complete:
            if turn.over(self.run):
                scroll.save(self.run)
                return None
            scroll.add(self._window(scroll, versions))
            total, seen = self.saved.size, sum(each.points for each in scroll.sums.values())
            self.run.progress(min(total, total * seen // max(1, self.saved.points)), total)
        points, incomplete = self._compare(scroll)
        there = {document_id: versions[document_id] for document_id in versions.keys() - set(incomplete)}
        figures = {"documents": len(there), "points": points, "golden": self._ask_golden_queries(there)}
        return replace(self.planned, figures=figures, incomplete=incomplete)

    def _window(self, scroll: Scroll, versions: Mapping[str, int]) -> Window[Point]:
        """The next points of the backup's versions. Others are removed from the store."""
        if not self.saved.stored:
            return Window(items=(), next=None)
        vectors, store = self.run.tools.vectors, self.planned.store
        window = vectors.scroll(store, after=scroll.after, limit=_PAGE)
        ours, others = list[Point](), set[DocumentVersion]()
        for point in window.items:
            version = DocumentVersion(point.passage.document_id, point.passage.version)
            if versions.get(version.document_id) == version.version:
                ours.append(point)
            else:
                others.add(version)
        for other in others:
            vectors.delete(store, other.document_id, only=other.version)
        return replace(window, items=tuple(ours))

    def _compare(self, scroll: Scroll) -> tuple[int, tuple[str, ...]]:
        """How many points are as they were saved, and the late documents whose points are not all there."""
        seen, late, incomplete, damaged = ContentDigest(), 0, [], []
        for each in self.backup.documents(self.saved):
            document, found = each.document, scroll.digest_of(each.version)
            if each.points is None and found.points == document.chunks:
                late += found.points
            elif each.points is None:
                incomplete.append(document.document_id)
            elif found == each.points:
                seen += found
            elif found.points == each.points.points:
                damaged.append(f"document {document.document_id} has points of another content")
            else:
                damaged.append(
                    f"document {document.document_id} has {found.points} of {each.points.points} points"
                )
        self._require_intact(seen, damaged)
        # A part of a document must not be found; the replay ingests these documents again.
        for document_id in incomplete if self.saved.stored else ():
            self.run.tools.vectors.delete(self.planned.store, document_id)
        return seen.points + late, tuple(incomplete)

    def _require_intact(self, seen: ContentDigest, damaged: Sequence[str]) -> None:
        if not damaged and (seen.points, str(seen)) == (self.saved.points, self.saved.digest):
            return
        named, more = "; ".join(damaged[:NAMED]), len(damaged) - NAMED
        raise DamagedBackup(
            f"Collection {self.saved.name!r} of backup {self.backup.manifest.id} is not what was saved: "
            f"{seen.points} of {self.saved.points} points are right"
            + (f"; {named}" if named else "")
            + (f"; and {more} more documents" if more > 0 else "")
        )

    def _ask_golden_queries(self, versions: Mapping[str, int]) -> Json:
        """How many golden queries were asked, how many found all hits again, and the hits' mean overlap.

        The overlap is the part of the expected hits that is found again, of documents that are there. Only a
        rehearsal fails by it: the digests prove the points of a restore.
        """
        overlaps = []
        for query in self.backup.golden(self.saved):
            expected = {hit.chunk_id for hit in query.hits if versions.get(hit.document_id) == hit.version}
            # Others may rank higher by now: both engines count deleted points in a term's rarity until they
            # compact, and documents are deleted while a backup is made. So ask for twice as many hits.
            hits = self.run.tools.vectors.search(self.planned.store, query.asked(2 * DEPTH))
            found = expected & {hit.passage.chunk_id for hit in hits}
            overlaps.append(len(found) / len(expected) if expected else 1.0)
        overlap = sum(overlaps) / len(overlaps) if overlaps else 1.0
        if overlap < LEAST_OVERLAP and self.run.job.kind is JobKind.REHEARSE:
            raise DamagedBackup(
                f"Collection {self.saved.name!r} of backup {self.backup.manifest.id} finds other passages "
                f"than when it was saved: {overlap:.0%} of the hits of {len(overlaps)} golden queries"
            )
        same = sum(each == 1.0 for each in overlaps)
        return {"asked": len(overlaps), "same": same, "overlap": round(overlap, 4)}
