"""A folder of blobs on a disk that keeps nothing but what was synced: a power cut at its worst."""

import gc
import shutil
from pathlib import Path

import pytest

from rag.blobs import redo_log
from rag.blobs.store import ObstoreBlobs

NAMES = "*.log#0"
"""The segments of the log of blobs, which every process syncs by itself."""


class UnsyncedFolder:
    """``folder``, whose other files ``lose_power`` puts back to how they were when the disk was synced.

    ``sync`` stands for a syncfs(2) of the whole disk; ``disk_syncs`` says how many there were.
    """

    def __init__(self, folder: Path, aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._disk, self._boot_id = folder, aside / "disk", aside / "boot"
        self._boots = self.disk_syncs = 0
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(redo_log, "_BOOT", self._boot_id)
        monkeypatch.setattr(redo_log, "sync_file_system", lambda _: self.sync())
        self._boot()
        self.sync()

    def open(self) -> ObstoreBlobs:
        """The store as another process has it."""
        return ObstoreBlobs(f"file://{self.folder}")

    @property
    def segments(self) -> int:
        return len(list((self.folder / "redo").glob(NAMES)))

    def sync(self) -> bool:
        shutil.rmtree(self._disk, ignore_errors=True)
        shutil.copytree(self.folder, self._disk)
        self.disk_syncs += 1
        return True

    def lose_power(self) -> None:
        """End all processes, which must have let go of their stores, and begin another boot."""
        gc.collect()
        redo = self.folder / "redo"
        synced = {path.name: path.read_bytes() for path in redo.iterdir()} if redo.exists() else {}
        shutil.rmtree(self.folder)
        shutil.copytree(self._disk, self.folder)
        shutil.rmtree(redo, ignore_errors=True)
        redo.mkdir()
        for name, data in synced.items():
            (redo / name).write_bytes(data)
        self._boot()

    def _boot(self) -> None:
        self._boots += 1
        self._boot_id.write_text(f"boot-{self._boots}\n")
