"""A loaded store is compared with what its backup says of it, before anything serves from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.backups.contents import GoldenQuery, SavedDocument
from rag.backups.digest import ContentDigest
from rag.backups.packs import OpenBackup
from rag.errors import DamagedBackup
from rag.model import Document, DocumentVersion, JobKind, Json, Point, SavedCollection
from rag.ports import Window
from tasks.backups.golden_queries import DEPTH
from tasks.backups.plan import PlannedCollection, Slice
from tasks.backups.scrolling import Scroll
from tasks.stages.run import StageRun

NAMED = 5
"""Documents that an error names."""

LEAST_OVERLAP = 0.9
"""The part of the hits of golden queries that a rehearsal has to find again, among twice as many."""

_PAGE = 256


@dataclass(frozen=True, slots=True)
class Checking:
    """Compares ``planned`` with ``saved`` of ``backup``."""

    run: StageRun
    backup: OpenBackup
    planned: PlannedCollection
    saved: SavedCollection

    def checked(self, turn: Slice) -> PlannedCollection | None:
        """The planned with its figures; None when the turn is over before they are complete.

        Points of versions that the backup does not have as documents are removed. DamagedBackup tells
        which documents are not what was saved.
        """
        versions = self._versions()
        scroll = self._scroll(versions, turn)
        if scroll is None:
            return None
        points, incomplete = self._compare(scroll)
        there = {document_id: versions[document_id] for document_id in versions.keys() - set(incomplete)}
        figures = {"documents": len(there), "points": points, "golden": self._golden(there)}
        return replace(self.planned, figures=figures, incomplete=incomplete)

    def _versions(self) -> Mapping[str, int]:
        """Of each document that the backup has."""
        return {each.document.document_id: each.document.version for each in self._documents()}

    def _documents(self) -> Iterator[SavedDocument]:
        return self.backup.documents(self.saved)

    def _scroll(self, versions: Mapping[str, int], turn: Slice) -> Scroll | None:
        """All points of the store; None when the turn is over before the last."""
        scroll = Scroll.kept(self.run, self.planned.store)
        while not scroll.complete:
            if turn.over(self.run):
                scroll.keep(self.run)
                return None
            scroll.add(self._window(scroll, versions))
            self._tell(scroll)
        return scroll

    def _window(self, scroll: Scroll, versions: Mapping[str, int]) -> Window[Point]:
        """The next points of versions that count; others are removed."""
        if not self.saved.stored:
            return Window(items=(), next=None)
        vectors, store = self.run.tools.vectors, self.planned.store
        window = vectors.scroll(store, after=scroll.after, limit=_PAGE)
        found = {DocumentVersion(each.passage.document_id, each.passage.version) for each in window.items}
        for other in {each for each in found if versions.get(each.document_id) != each.version}:
            vectors.delete(store, other.document_id, only=other.version)
        return replace(window, items=tuple(each for each in window.items if _counts(each, versions)))

    def _tell(self, scroll: Scroll) -> None:
        """In bytes of the points that were seen."""
        total = self.saved.size
        seen = sum(each.points for each in scroll.sums.values())
        self.run.progress(min(total, total * seen // max(1, self.saved.points)), total)

    def _compare(self, scroll: Scroll) -> tuple[int, tuple[str, ...]]:
        """How many points are as they were saved, and the late documents whose points are not all there."""
        seen, late, incomplete, damaged = ContentDigest(), 0, [], []
        for each in self._documents():
            found = scroll.digest_of(DocumentVersion(each.document.document_id, each.document.version))
            if each.points is None and found.points == each.document.chunks:
                late += found.points
            elif each.points is None:
                incomplete.append(each.document.document_id)
            elif found == each.points:
                seen += found
            else:
                damaged.append(_difference(each.document, each.points, found))
        self._require(seen, damaged)
        for document_id in incomplete if self.saved.stored else ():
            self.run.tools.vectors.delete(self.planned.store, document_id)
        return seen.points + late, tuple(incomplete)

    def _require(self, seen: ContentDigest, damaged: Sequence[str]) -> None:
        if not damaged and (seen.points, str(seen)) == (self.saved.points, self.saved.digest):
            return
        named, more = "; ".join(damaged[:NAMED]), len(damaged) - NAMED
        raise DamagedBackup(
            f"Collection {self.saved.name!r} of backup {self.backup.manifest.id} is not what was saved: "
            f"{seen.points} of {self.saved.points} points are right"
            + (f"; {named}" if named else "")
            + (f"; and {more} more documents" if more > 0 else "")
        )

    def _golden(self, versions: Mapping[str, int]) -> Json:
        """How many golden queries were asked, how many found all again, and the mean overlap of the hits.

        A restore is not refused for what it finds, since its points are proven by their digest.
        """
        overlaps = [self._overlap(query, versions) for query in self.backup.golden(self.saved)]
        overlap = sum(overlaps) / len(overlaps) if overlaps else 1.0
        if overlap < LEAST_OVERLAP and self.run.job.kind is JobKind.REHEARSE:
            raise DamagedBackup(
                f"Collection {self.saved.name!r} of backup {self.backup.manifest.id} finds other passages "
                f"than when it was saved: {overlap:.0%} of the hits of {len(overlaps)} golden queries"
            )
        same = sum(each == 1.0 for each in overlaps)
        return {"asked": len(overlaps), "same": same, "overlap": round(overlap, 4)}

    def _overlap(self, query: GoldenQuery, versions: Mapping[str, int]) -> float:
        """The part of the hits, of documents that are there, that is found again.

        Others may stand before them by now: both engines count deleted points among all that a term's rarity
        follows from, until they are opened anew or compacted; and documents go while a backup is made.
        """
        expected = {hit.chunk_id for hit in query.hits if versions.get(hit.document_id) == hit.version}
        hits = self.run.tools.vectors.search(self.planned.store, query.asked(2 * DEPTH))
        return len(expected & {hit.passage.chunk_id for hit in hits}) / len(expected) if expected else 1.0


def _counts(point: Point, versions: Mapping[str, int]) -> bool:
    return versions.get(point.passage.document_id) == point.passage.version


def _difference(document: Document, saved: ContentDigest, found: ContentDigest) -> str:
    if found.points == saved.points:
        return f"document {document.document_id} has points of another content"
    return f"document {document.document_id} has {found.points} of {saved.points} points"
