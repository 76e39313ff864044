"""A copy of a folder in which an engine works, brought up to date until nothing more changes.

Which files changed is told by their size and the time of their last change. An engine writes
through memory maps: the system notes the time only when a page is written to that was clean. So a
file is synchronised before it is copied, which makes all its pages clean, and whatever is written
after that moves its time. Times have a grain of some milliseconds: a file that changed just before
it was looked at counts as changed the next time. Where the system notes nothing at all
(:func:`notes_changes`), every file counts as changed.
"""

import mmap
import os
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeAlias

from rag.stores.vectors.copying import sparse
from rag.stores.vectors.copying.sparse import Check
from rag.stores.vectors.folders import sync

_Stamp: TypeAlias = tuple[int, int, int]  # inode, size, time of the last change

_SETTLED_NS = 1_000_000_000
_GRAIN_SECONDS = 0.02


class Mirror:
    """A copy at ``target`` of what is under ``source``, less what begins as one of ``without``.

    ``noting``: what :func:`notes_changes` says of the source's file system.
    """

    def __init__(self, source: Path, target: Path, *, without: tuple[str, ...], noting: bool) -> None:
        self._source, self._target = source, target
        self._without = without
        self._noting = noting
        self._copied: dict[str, _Stamp | None] = {}

    def refresh(self, check: Check) -> None:
        """Copy what changed since the last call, while the source may go on changing."""
        pace = sparse.unhurried(check)
        for path in self._find_changes():
            check()
            try:
                stamp = _settled_stamp(self._source / path)
                sync(self._source / path)
                sparse.copy(self._source / path, self._target / path, pace)
            except FileNotFoundError:  # the engine replaced it meanwhile
                stamp = None
            self._copied[path] = stamp if self._noting else None

    def finish(self, check: Check) -> None:
        """The same while nothing is written to the source: the copy is then whole."""
        for path in self._find_changes():
            check()
            sparse.copy(self._source / path, self._target / path, lambda _: check())
            self._copied[path] = None

    def _find_changes(self) -> list[str]:
        """Paths to copy. What is gone is removed from the copy."""
        files = self._files()
        for gone in self._copied.keys() - files.keys():
            (self._target / gone).unlink(missing_ok=True)
            del self._copied[gone]
        return [path for path, stamp in files.items() if stamp is None or self._copied.get(path) != stamp]

    def _files(self) -> dict[str, _Stamp | None]:
        """Stamps by path. Their folders are made."""
        found: dict[str, _Stamp | None] = {}
        for folder, _, names in os.walk(self._source):
            beneath = Path(folder).relative_to(self._source)
            (self._target / beneath).mkdir(parents=True, exist_ok=True)
            for path in ((beneath / name).as_posix() for name in names):
                if not path.startswith(self._without):
                    found[path] = _stamp(self._source / path)
        return found


def notes_changes(folder: Path) -> bool:
    """Whether the file system notes that a mapped file was written to: not in memory (tmpfs)."""
    with TemporaryFile(dir=folder) as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), mmap.PAGESIZE) as pages:
            pages[0] = 1
            os.fsync(file.fileno())
            before = os.fstat(file.fileno()).st_mtime_ns
            time.sleep(_GRAIN_SECONDS)
            pages[0] = 2
            return os.fstat(file.fileno()).st_mtime_ns != before


def stored_bytes(paths: Iterable[Path]) -> int:
    """What the files take on disk, those beneath folders included."""
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,)))
    return sum(stat.st_blocks * 512 for file in files if (stat := _stat(file)))


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _stamp(path: Path) -> _Stamp | None:
    stat = _stat(path)
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns) if stat else None


def _settled_stamp(path: Path) -> _Stamp | None:
    """None when the file changed a moment ago, or in the future of a clock that was put back."""
    stamp = _stamp(path)
    return stamp if stamp and time.time_ns() - stamp[2] > _SETTLED_NS else None
