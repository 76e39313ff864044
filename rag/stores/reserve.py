"""The disks of this machine that jobs need, and whether there is room on them for new ones."""

from collections.abc import Iterator
from pathlib import Path

from rag.settings import Settings
from rag.stores.buckets import folder_of
from rag.stores.disks import Room


class Disks:
    """Where the embedded broker and vector engine and a folder of blobs write; none where all are far."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    @classmethod
    def of(cls, settings: Settings) -> "Disks":
        own = (settings.home,) if settings.embedded_broker or settings.qdrant_url is None else ()
        blobs = folder_of(settings.blob_address)
        return cls(*own, *([blobs] if blobs else []))

    def admit(self) -> None:
        """Return when new jobs may be submitted. NoRoom names the folder whose disk is full, or nearly."""
        for room in self.rooms():
            room.require(room.reserve)

    def rooms(self) -> Iterator[Room]:
        """What each folder's disk has. NoRoom for one that cannot be looked at."""
        return map(Room.of, self._folders)
