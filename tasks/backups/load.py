"""Fills planned collections: with points, sources and texts from packs, or from an engine's snapshot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from rag.backups.contents import SavedBlob
from rag.backups.packs import OpenBackup, Unpacking
from rag.backups.points import unpacked
from rag.errors import NotFound, Unavailable
from rag.model import CollectionSpec, SavedCollection
from rag.naming import DOCUMENT_FOLDERS, chunks_key, generation_name
from rag.ports import is_over
from tasks.backups.plan import Place, Plan, PlannedCollection, Slice, save_plan, wanted
from tasks.backups.restored_jobs import sources_of
from tasks.backups.scope import CLOCKS_APART
from tasks.stages.run import StageRun

_BATCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A blob, the key under which it is stored, and what it is needed for."""

    blob: SavedBlob
    key: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Loading:
    """Fills the collections of a plan from ``backup``. Raises DamagedBackup, Unavailable."""

    run: StageRun
    backup: OpenBackup

    def points(self, plan: Plan, planned: PlannedCollection, turn: Slice) -> Plan:
        """Make the planned's store, and write more of its points, until it is loaded."""
        saved = self.backup.collection(planned.saved)
        if saved.stored and not planned.made:
            plan, planned = self._make(plan, planned, saved)
        unpacking = Unpacking(self.backup)
        for batch in _batches(self._left(planned, saved)):
            if turn.over(self.run):
                break
            points = [point for blob in batch for point in unpacked(unpacking.get(blob))]
            self.run.tools.vectors.upsert(planned.store, points)
            planned = replace(planned, reached=_place(batch[-1]))
            plan = replace(plan, bytes=plan.bytes + sum(blob.size for blob in batch))
            self.run.progress(plan.bytes, max(plan.bytes, self._total()))
            plan = save_plan(self.run, plan.having(planned))
        else:
            plan = plan.having(replace(planned, loaded=True))
        # A purge of the job, if that is over, may have come before the store was made.
        if is_over(self.run.tools.jobs, self.run.job.id):
            self.run.tools.vectors.drop(planned.store)
        return save_plan(self.run, plan)

    def _make(
        self, plan: Plan, planned: PlannedCollection, saved: SavedCollection
    ) -> tuple[Plan, PlannedCollection]:
        """Make the store: from the engine's own snapshot if there is one that it accepts, else empty."""
        tools, spec = self.run.tools, CollectionSpec(saved.dimension, saved.token_dimension)
        files = [each.file for each in saved.files]
        size, total, before = sum(each.size for each in files), self._total(), plan.bytes

        def tell(read_so_far: int) -> None:
            # A snapshot counts as much as the points in it.
            done = before + saved.size * min(read_so_far, size) // max(1, size)
            self.run.progress(done, max(done, total))
            if self.run.cancelled():
                raise Unavailable("The job was cancelled, or taken over by another worker")

        accepted = bool(files) and tools.snapshots.accepts(self.backup.manifest.engine, files)
        if accepted:
            parts = [(each.file, self.backup.opened(each.stream)) for each in saved.files]
            tools.snapshots.load(planned.store, spec, parts, tell)
            plan = replace(plan, bytes=plan.bytes + saved.size)
        else:
            tools.vectors.ensure(planned.store, spec)
        planned = replace(planned, made=True, files=accepted)
        return save_plan(self.run, plan.having(planned)), planned

    def _left(self, planned: PlannedCollection, saved: SavedCollection) -> Sequence[SavedBlob]:
        """Blobs whose points are still to be written, in the order in which they are packed.

        Beside a snapshot, only those of documents that it may lack since they were published after it.
        """
        since = self.backup.manifest.began_at - CLOCKS_APART if planned.files else -inf
        documents = (each for each in self.backup.documents(saved) if each.document.updated_at > since)
        blobs = (blob for each in documents for blob in each.blobs if _place(blob) > planned.reached)
        return sorted(blobs, key=_place)

    def blobs(self, plan: Plan, turn: Slice) -> tuple[Plan, bool]:
        """Store sources and texts in the planned collections' own folders; whether that was all."""
        left = [each for each in self._wanted(plan) if _place(each.blob) > plan.reached]
        left.sort(key=lambda each: _place(each.blob))
        total = plan.bytes + sum(each.blob.size for each in left)
        unpacking, blobs = Unpacking(self.backup), self.run.tools.blobs
        for each in left:
            if turn.over(self.run):
                break
            blob = each.blob
            try:
                blobs.put(each.key, unpacking.get(blob) if blob.stream else blobs.get(blob.key))
            except NotFound:  # the backup has only its key, and the blob store has lost it
                plan = plan.lacking([f"{each.purpose}: {blob.key} is gone from the blob store"])
            plan = replace(plan, reached=_place(blob), bytes=plan.bytes + blob.size)
            self.run.progress(plan.bytes, total)
        if is_over(self.run.tools.jobs, self.run.job.id):
            self._remove(plan)
        return save_plan(self.run, plan), not left or plan.reached == _place(left[-1].blob)

    def _wanted(self, plan: Plan) -> Iterator[_Wanted]:
        """What documents and jobs of the planned collections need; nothing for one that serves already."""
        planned = {each.saved: each for each in plan.collections if not each.resumed}
        saved = [self.backup.collection(name) for name in planned]
        needed = {} if self.run.job.inputs["into"] else sources_of(self.run, self.backup, saved)
        for each in saved:
            for document in (found.document for found in self.backup.documents(each)):
                keys = (document.source_key, document.text_key, chunks_key(document.text_key))
                needed |= dict.fromkeys(keys, f"document {document.document_id}")
        owners = {generation_name(each.name, each.generation): planned[each.name] for each in saved}
        for blob in self.backup.blobs(*saved):
            if blob.key in needed:
                yield _Wanted(blob, owners[blob.key.split("/")[1]].own(blob.key), needed[blob.key])

    def _total(self) -> int:
        """Bytes of the points of all collections that are restored."""
        return sum(each.size for each in wanted(self.run, self.backup.manifest))

    def _remove(self, plan: Plan) -> None:
        """Remove blobs that were stored after a purge of the job, which is over."""
        blobs = self.run.tools.blobs
        for planned in plan.collections:
            for sort in DOCUMENT_FOLDERS if not planned.serves else ():
                for key in list(blobs.keys(f"{sort}/{planned.folder}")):
                    blobs.delete(key)


def _place(blob: SavedBlob) -> Place:
    return blob.stream, blob.offset, blob.key


def _batches(blobs: Sequence[SavedBlob]) -> Iterator[Sequence[SavedBlob]]:
    """Batches of blobs, of some megabytes each, whose points are written together."""
    batch, size = list[SavedBlob](), 0
    for blob in blobs:
        batch.append(blob)
        size += blob.size
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
