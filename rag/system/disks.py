"""Free room on disks. It is checked before much is written, since a full disk harms everything on it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rag.errors import NoRoom

_SPARE_BYTES = 256 * 1024 * 1024
_FULL_SECONDS = 300.0

_MOST_RESERVED = 64 * 1024 * 1024
_RESERVED_PART = 20
_ENGINE_PART = 4
SOON_SECONDS = 15.0
_MB = 1 << 20
_MOST_FILES_RESERVED = 500


@dataclass(frozen=True, slots=True)
class Room:
    """Free and total bytes of the disk that ``folder`` is on, and its free and possible number of files.

    ``files`` is None where the file system has no such limit.
    """

    folder: Path
    free: int
    total: int
    files: int | None = None
    total_files: int = 0

    @classmethod
    def of(cls, folder: Path) -> "Room":
        """The room for ``folder``, which need not exist yet. NoRoom when its disk cannot be read."""
        there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
        try:
            usage, counted = shutil.disk_usage(there), os.statvfs(there)
        except OSError as error:
            raise NoRoom(f"{folder} cannot be looked at: {error}", retry_after=SOON_SECONDS) from error
        files = counted.f_favail if counted.f_files > 0 else None
        return cls(folder, usage.free, usage.total, files, counted.f_files)

    @property
    def reserve(self) -> int:
        """Bytes kept free so that accepted jobs can end: a twentieth of the disk, 64 MB at most."""
        return min(_MOST_RESERVED, self.total // _RESERVED_PART)

    @property
    def files_reserve(self) -> int:
        """Files kept possible for the same reason: a twentieth of all, 500 at most."""
        return min(_MOST_FILES_RESERVED, self.total_files // _RESERVED_PART)

    def require(self, needed: int, files: int | None = None) -> None:
        """NoRoom when less than ``needed`` bytes are free, or fewer ``files``: by default their reserve."""
        files = self.files_reserve if files is None else files
        if self.free < needed:
            raise NoRoom(
                f"the disk of {self.folder} has {self.free / _MB:.1f} MB free, and {needed / _MB:.1f} MB are "
                "kept in reserve: free some space, and all goes on by itself",
                retry_after=SOON_SECONDS,
            )
        if self.files is not None and self.files < files:
            raise NoRoom(
                f"the disk of {self.folder} has room for {self.files} more files, and {files} are "
                "kept in reserve: delete some, and all goes on by itself",
                retry_after=SOON_SECONDS,
            )


def require_reserve(folder: Path) -> None:
    """NoRoom when a new job should not be accepted for lack of room."""
    room = Room.of(folder)
    room.require(room.reserve)


def require_engine_reserve(folder: Path) -> None:
    """NoRoom when the vector engine should not write. It may use most of the reserve.

    It maps its files into memory, and a write to such a page kills its process when the disk is full.
    """
    room = Room.of(folder)
    room.require(room.reserve // _ENGINE_PART, room.files_reserve // _ENGINE_PART)


def require_room(folder: Path, needed: int) -> None:
    """NoRoom unless the disk has room for ``needed`` bytes and 256 MB more."""
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise NoRoom(
            f"this needs {needed >> 20} MB and some to spare in {folder}, where {free >> 20} MB are free",
            retry_after=_FULL_SECONDS,
        )


def says_full(text: str) -> bool:
    """Whether an error's text, of any library, tells of a full disk or an exceeded quota."""
    return any(sign in text for sign in _FULL)


_FULL = (
    "os error 28",
    "os error 122",
    "Errno 28",
    "Errno 122",
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
)


def folder_of(address: str) -> Path | None:
    """The folder that a ``file:`` address names; None for another address."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
