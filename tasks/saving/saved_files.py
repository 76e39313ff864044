"""The engine's own files as portions of a backup."""

from collections.abc import Iterator
from dataclasses import dataclass

from rag.errors import NotFound
from rag.model import SnapshotFile
from rag.stores.backups.streams import pieces
from tasks.run import StageRun
from tasks.saving.portions import Mark, Piece


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
