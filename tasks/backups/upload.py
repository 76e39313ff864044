"""Uploads a slice of a backup: the next pieces of its portions, among them the engine's own files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from rag.backups.vault import StreamWriter, pieces
from rag.errors import NotFound
from rag.model import SnapshotFile
from tasks.backups import progress
from tasks.backups.documents import Documents
from tasks.backups.earlier import EarlierBackup
from tasks.backups.golden_queries import GoldenQueries
from tasks.backups.packing import BlobIndex, BlobPlan, Packs
from tasks.backups.progress import Checkpoint, Mark, Piece, Portion
from tasks.backups.records import CollectionEntries, JobRecords, KeyEntries
from tasks.backups.saved_points import Points
from tasks.backups.scope import Scope
from tasks.stages.run import StageRun


@dataclass(frozen=True, slots=True)
class EngineFile:
    """A file of the snapshot that was taken under the job's id, in pieces of ``piece_bytes``."""

    run: StageRun
    file: SnapshotFile
    piece_bytes: int

    @property
    def name(self) -> str:
        return file_stream(self.file)

    @property
    def size(self) -> int:
        return self.file.size

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        at = int(mark.at or 0)
        if at == self.file.size:
            return
        data = self.run.tools.snapshots.read(self.run.job.id, self.file, at)
        for piece in pieces(data, self.piece_bytes):
            at += len(piece)
            yield Piece(Mark(str(at)), self.name, piece)
        if at != self.file.size:
            raise NotFound(f"{self.name} has {at} bytes, not {self.file.size}: the engine lost its snapshot")


def file_stream(file: SnapshotFile) -> str:
    return f"snapshot/{file.store}/{file.node or '-'}/{file.path}"


_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Uploading:
    """Uploads until ``until``, by the monotonic clock. Make one only while nobody else may remove parts."""

    run: StageRun
    scope: Scope
    earlier: EarlierBackup
    until: float

    @property
    def over(self) -> bool:
        return self.run.cancelled() or monotonic() > self.until

    @property
    def piece_bytes(self) -> int:
        return self.run.tools.settings.backup_part_mb * _MB

    def advance(self, checkpoint: Checkpoint) -> tuple[Checkpoint, bool]:
        """Upload pieces, and return the new checkpoint and whether the upload is complete."""
        writer = StreamWriter(self.run.tools.vault, self.piece_bytes, resend=self.scope.mode == "full")
        while (number := checkpoint.portions) < len(portions := self._portions(checkpoint)):
            for piece in portions[number].pieces(checkpoint.mark):
                before = writer.sent
                parts = tuple(writer.stream([piece.data]))
                sent = writer.sent - before
                checkpoint = progress.store(self.run, checkpoint, piece, parts, sent=sent)
                self._tell(checkpoint, portions)
                if self.over:
                    return checkpoint, False
            checkpoint = progress.finish(self.run, checkpoint, portions[number])
            self._tell(checkpoint, portions)
        return checkpoint, True

    def _tell(self, checkpoint: Checkpoint, portions: Sequence[Portion]) -> None:
        """Report the bytes done, and an estimate of all bytes."""
        sizes = [portion.size for portion in portions[checkpoint.portions :]] or [0]
        left = max(0, sizes[0] - checkpoint.within) + sum(sizes[1:])
        self.run.progress(checkpoint.done, checkpoint.done + left)

    def _portions(self, checkpoint: Checkpoint) -> list[Portion]:
        """All portions of the backup, in the order in which they are uploaded."""
        run, scope, size, notes = self.run, self.scope, self.piece_bytes, checkpoint.notes
        portions: list[Portion] = [EngineFile(run, file, size) for file in scope.files or ()]
        # Job records come before documents: what ends in between is in both.
        portions.append(JobRecords(run, scope.jobs, size))
        for each in scope.collections:
            points = Points(run, scope, each, self.earlier, size)
            if each.store in scope.stored:
                portions.append(points)
            documents = Documents(run, scope, each, notes.get(points.name), size)
            portions += [documents, GoldenQueries(run, each, notes.get(documents.name, {}))]
        packs = notes.get(Packs.name, {}).get("packs", 0)
        # Sources come last, so that every saved document has its own.
        return [
            *portions,
            CollectionEntries(run, len(scope.collections), size),
            KeyEntries(run, size),
            BlobPlan(run, self.earlier, size),
            Packs(run, scope.source_bytes, size),
            BlobIndex(run, packs, sum(each.documents for each in scope.collections), size),
        ]
