"""Candidates are filled: points from an engine's snapshot, sources and texts from packs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rag.errors import NotFound, Unavailable
from rag.model import CollectionSpec, Document, Manifest, SavedCollection
from rag.naming import DOCUMENT_FOLDERS, chunks_key, generation_name
from rag.ports import is_over
from rag.stores.backups.contents import SavedBlob
from rag.stores.backups.opened import OpenBackup
from rag.stores.backups.unpacking import Unpacking
from tasks.restoring.candidates import Candidate, Place, Plan, keep
from tasks.restoring.saved_jobs import sources_of
from tasks.restoring.slices import Slice
from tasks.run import StageRun


@dataclass(frozen=True, slots=True)
class _Brought:
    """A blob, the key that it gets, and what it is needed for."""

    blob: SavedBlob
    key: str
    purpose: str

    @property
    def place(self) -> Place:
        return self.blob.stream, self.blob.offset, self.blob.key


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
            # whoever removes what there was of a job that is over may have come before the store
            if is_over(self.run.tools.jobs, self.run.job.id):
                vectors.drop(candidate.store)
        plan = replace(plan, bytes=plan.bytes + _size(self.backup.manifest, saved))
        return keep(self.run, plan.having(replace(candidate, loaded=True)))

    def blobs(self, plan: Plan, turn: Slice) -> tuple[Plan, bool]:
        """Store sources and texts under the candidates' own folders; whether that was all."""
        left = sorted(
            (each for each in self._wanted(plan) if each.place > plan.reached), key=lambda each: each.place
        )
        total = plan.bytes + sum(each.blob.size for each in left)
        unpacking = Unpacking(self.backup)
        for each in left:
            if turn.over(self.run):
                break
            plan = self._bring(plan, unpacking, each)
            self.run.progress(plan.bytes, total)
        if is_over(self.run.tools.jobs, self.run.job.id):
            self._remove(plan)
        return keep(self.run, plan), not left or plan.reached == left[-1].place

    def _bring(self, plan: Plan, unpacking: Unpacking, each: _Brought) -> Plan:
        blobs, blob = self.run.tools.blobs, each.blob
        try:
            blobs.put(each.key, unpacking.get(blob) if blob.stream else blobs.get(blob.key))
        except NotFound:  # only its key is in the backup
            plan = plan.lacking([f"{each.purpose}: {blob.key} is gone from the blob store"])
        return replace(plan, reached=each.place, bytes=plan.bytes + blob.size)

    def _wanted(self, plan: Plan) -> Iterator[_Brought]:
        """What documents and jobs of the candidates need; nothing for one that serves."""
        candidates = {each.saved: each for each in plan.candidates if not each.resumed}
        collections = [self.backup.collection(name) for name in candidates]
        needed = {} if self.run.job.inputs["into"] else sources_of(self.run, self.backup, collections)
        for saved in collections:
            for each in self.backup.documents(saved):
                needed |= dict.fromkeys(_keys(each.document), f"document {each.document.document_id}")
        homes = {generation_name(each.name, each.generation): candidates[each.name] for each in collections}
        for blob in self.backup.blobs(*collections):
            if blob.key in needed:
                yield _Brought(blob, homes[blob.key.split("/")[1]].own(blob.key), needed[blob.key])

    def _teller(self, plan: Plan) -> Callable[[int], None]:
        collections = [self.backup.collection(each.saved) for each in plan.candidates]
        total = sum(_size(self.backup.manifest, each) for each in collections)

        def tell(read_so_far: int) -> None:
            self.run.progress(plan.bytes + read_so_far, total)
            if self.run.cancelled():
                raise Unavailable("The job was cancelled, or taken over by another worker")

        return tell

    def _remove(self, plan: Plan) -> None:
        """What was stored after somebody had removed what there was."""
        blobs = self.run.tools.blobs
        for candidate in plan.candidates:
            for sort in DOCUMENT_FOLDERS if not candidate.serves else ():
                for key in list(blobs.keys(f"{sort}/{candidate.folder}")):
                    blobs.delete(key)


def _keys(document: Document) -> tuple[str, str, str]:
    return document.source_key, document.text_key, chunks_key(document.text_key)


def _size(manifest: Manifest, saved: SavedCollection) -> int:
    """Bytes of the collection's snapshot."""
    return sum(manifest.stream(file.stream).length for file in saved.files)
