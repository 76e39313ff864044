"""The object store at BACKUP_URL: what a vault needs beyond a ``BlobStore``."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import obstore
from obstore.exceptions import AlreadyExistsError

from rag.blobs.buckets import Access
from rag.blobs.store import ObstoreBlobs, persist
from rag.errors import DamagedBackup, NotFound, Refused, Unavailable
from rag.settings import Settings
from rag.system.disks import require_room

BATCH = 1000
"""Keys in one call of S3's DeleteObjects."""

_AT_ONCE = 8
_UNFINISHED = re.compile(r"#\d+\Z")
"""The ending of temporary names: in a folder, obstore writes a file so, then moves it to its place."""

_UNREADABLE = ("500 Internal Server Error", "os error 5)")
"""The errors of a server whose own checksums fail, and of a file system with a bad block."""


class Objects(ObstoreBlobs):
    """Sends each object in one request, so that a killed upload leaves no part of it in a bucket."""

    _title, _setting = "Backup store", "BACKUP_URL"

    @classmethod
    def of(cls, settings: Settings) -> "Objects":
        """Where BACKUP_URL says, or in AEGIS_HOME."""
        access = replace(Access.of(settings), body_mb=settings.backup_part_mb)
        return cls(settings.backup_address, access)

    @property
    def address(self) -> str:
        return self._address

    def get(self, key: str) -> bytes:
        """DamagedBackup if the store cannot read this object, but can read others."""
        try:
            return super().get(key)
        except Unavailable as error:
            if not (_unreadable(error) and self._gives_another(key)):
                raise
        # Another object was readable. A second try tells damage from an outage that has just ended.
        try:
            return super().get(key)
        except Unavailable as error:
            if not _unreadable(error):
                raise
            raise DamagedBackup(f"{key} is damaged: the store itself cannot read it ({error})") from error

    def put_whole(self, key: str, data: bytes) -> None:
        """Put or replace the object. In a folder it survives a power cut, and leaves reserved space free."""
        if self._folder:
            require_room(self._folder, len(data))
        with self._doing(key):
            obstore.put(self._store, key, data, use_multipart=False)
            self._persist(key)

    def create(self, key: str, data: bytes) -> None:
        """Put the object, unless there is one of this key."""
        with self._doing(key):
            try:
                obstore.put(self._store, key, data, mode="create")
            except AlreadyExistsError:
                return
            self._persist(key)

    def size(self, key: str) -> int | None:
        """In bytes; None where there is none."""
        try:
            with self._doing(key):
                return obstore.head(self._store, key)["size"]
        except NotFound:
            return None

    def remove(self, keys: Sequence[str]) -> set[str]:
        """Remove at most BATCH keys; return those that the store refuses to remove, as by a policy."""
        try:
            with self._doing("all"):
                obstore.delete(self._store, keys)
        except (NotFound, Refused):  # of one key; the store may not have tried the keys after it
            with ThreadPoolExecutor(_AT_ONCE, "removing") as pool:
                return {key for key in pool.map(self._delete_if_allowed, keys) if key}
        return set()

    def tidy(self) -> None:
        """Remove the temporary files of killed writers from a folder. Call it while nobody writes."""
        if self._folder is None:
            return
        for path in self._folder.rglob("*#*"):
            if _UNFINISHED.search(path.name):
                path.unlink(missing_ok=True)

    def _delete_if_allowed(self, key: str) -> str:
        """The key if it may not be removed, "" if it was. Refused if not even a look at it is allowed."""
        try:
            self.delete(key)
        except Refused:
            return key if self.exists(key) else ""
        return ""

    def _gives_another(self, key: str) -> bool:
        """It may be away in part, so that it knows all objects, and has none of their bytes."""
        another = next((found for found in self.keys("manifests") if found != key), None)
        try:
            return another is not None and super().get(another) is not None
        except Unavailable:
            return False

    def _persist(self, key: str) -> None:
        if self._folder:
            persist(self._folder, key)


def _unreadable(error: Unavailable) -> bool:
    return any(sign in str(error) for sign in _UNREADABLE)
