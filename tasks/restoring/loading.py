"""Candidates are filled: points from an engine's snapshot, sources and texts from packs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rag.errors import NotFound, Unavailable
from rag.model import CollectionSpec, Document, Manifest, SavedCollection
from rag.stores.backups.contents import SavedBlob
from rag.stores.backups.opened import OpenBackup
from rag.stores.backups.unpacking import Unpacking
from tasks.restoring.candidates import Candidate, Plan, keep
from tasks.restoring.reservations import is_over
from tasks.restoring.saved_jobs import sources_of
from tasks.restoring.slices import Slice
from tasks.run import StageRun


@dataclass(frozen=True, slots=True)
class _Brought:
    """A blob, the key that it gets, and what it is needed for."""

    blob: SavedBlob
    key: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Loading:
    """Fills the candidates of a plan out of ``backup`` under ``run``. DamagedBackup, Unavailable."""

    run: StageRun
    backup: OpenBackup

    def store(self, plan: Plan, candidate: Candidate) -> Plan:
        """Make the candidate's store, whole or not at all."""
        saved, vectors = self.backup.collection(candidate.saved), self.run.tools.vectors
        spec = CollectionSpec(saved.dimension, saved.token_dimension)
        files = [(each.file, self.backup.opened(each.stream)) for each in saved.files]
        if files:
            engine = self.backup.manifest.engine
            self.run.tools.snapshots.load(candidate.store, spec, engine, files, self._teller(plan))
            if is_over(
                self.run.tools, self.run.job.id
            ):  # and whoever removed what there was may have come before the store
                vectors.drop(candidate.store)
        plan = replace(plan, bytes=plan.bytes + _size(self.backup.manifest, saved))
        return keep(self.run, plan.having(replace(candidate, loaded=True)))

    def blobs(self, plan: Plan, turn: Slice) -> tuple[Plan, bool]:
        """Store sources and texts under the candidates' own folders; whether that was all."""
        wanted = [each for candidate in plan.candidates for each in self._wanted(candidate)]
        wanted.sort(key=lambda each: (each.blob.stream, each.blob.offset))
        total = plan.bytes + sum(each.blob.size for each in wanted[plan.done :])
        unpacking = Unpacking(self.backup)
        for each in wanted[plan.done :]:
            if turn.over(self.run):
                break
            plan = self._bring(plan, unpacking, each)
            self.run.progress(plan.bytes, total)
        if is_over(self.run.tools, self.run.job.id):
            self._remove(plan)
        return keep(self.run, plan), plan.done == len(wanted)

    def _bring(self, plan: Plan, unpacking: Unpacking, each: _Brought) -> Plan:
        blobs, blob, missing = self.run.tools.blobs, each.blob, list[str]()
        try:
            blobs.put(each.key, unpacking.get(blob) if blob.stream else blobs.get(blob.key))
        except NotFound:  # only its key is in the backup
            missing.append(f"{each.purpose}: {blob.key} is gone from the blob store")
        return replace(plan.lacking(missing), done=plan.done + 1, bytes=plan.bytes + blob.size)

    def _wanted(self, candidate: Candidate) -> list[_Brought]:
        """What documents and jobs of the candidate need; nothing for one that serves."""
        if candidate.resumed:
            return []
        saved = self.backup.collection(candidate.saved)
        needed = {} if self.run.job.inputs["into"] else sources_of(self.run, self.backup, saved)
        for each in self.backup.documents(saved):
            needed |= dict.fromkeys(_keys(each.document), f"document {each.document.document_id}")
        blobs = (blob for blob in self.backup.blobs(saved) if blob.key in needed)
        return [_Brought(blob, candidate.own(blob.key), needed[blob.key]) for blob in blobs]

    def _teller(self, plan: Plan) -> Callable[[int], None]:
        collections = [self.backup.collection(each.saved) for each in plan.candidates]
        total = sum(_size(self.backup.manifest, each) for each in collections)

        def told(read_so_far: int) -> None:
            self.run.progress(plan.bytes + read_so_far, total)
            if self.run.cancelled():
                raise Unavailable("The job was cancelled, or taken over by another worker")

        return told

    def _remove(self, plan: Plan) -> None:
        """What was stored after somebody had removed what there was."""
        blobs = self.run.tools.blobs
        for candidate in plan.candidates:
            for sort in ("sources", "texts") if not candidate.serves else ():
                for key in list(blobs.keys(f"{sort}/{candidate.folder}")):
                    blobs.delete(key)


def _keys(document: Document) -> tuple[str, str]:
    return document.source_key, document.text_key


def _size(manifest: Manifest, saved: SavedCollection) -> int:
    """Bytes of the collection's snapshot."""
    return sum(manifest.stream(file.stream).length for file in saved.files)
