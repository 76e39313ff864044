"""``BlobStore`` over obstore: a folder, memory, S3, Azure or Google Cloud Storage."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

import obstore

from rag.blobs.buckets import Access, open_store, translated_errors
from rag.blobs.folder import BlobFolder
from rag.blobs.redo_log import RedoLog, skip_sync
from rag.errors import InvalidRequest, NotFound, Unavailable
from rag.settings import Settings
from rag.system.disks import folder_of
from rag.system.filesystems import sync, sync_file_system

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

PIECE_BYTES = 64 << 10
LISTED_AT_ONCE = 1000
"""Keys in one page of S3's listings."""

_SEGMENT = re.compile(r"(?!\.{1,2}\Z)(?!.*#\d+\Z)[^/\\\x00-\x1f\x7f]+\Z", re.DOTALL)
_LONGEST_SEGMENT, _LONGEST_KEY = 250, 1024  # bytes; the limits of file systems and of S3
_PART_BYTES, _PARTS_AT_ONCE = 8 << 20, 4
_PUTS_AT_ONCE = 16
_SYNCED_SINGLY = 8
"""Files up to which a sync of each costs less than one of the whole file system."""
LOGGED = 64 << 10
"""Bytes up to which writing a blob twice costs less than the syncs of its file and folders."""

_SEAL = "sha256"
_BLOCK_BYTES = 1 << 20


class ObstoreBlobs:
    """Blobs at ``address``: ``file:///…``, ``memory:///``, ``s3://``, ``az://`` or ``gs://``.

    Credentials, region and endpoint of a cloud come from its own variables, read by
    obstore. Nothing is sent before the first call. In a folder, a blob survives a power cut
    once ``put`` has returned; a small one by a log, whose syncs are shared. In a bucket it has its
    SHA-256 as an attribute, which ``get`` checks.

    Not usable in a process forked from one that has used a store: obstore's threads
    do not exist there, and calls would wait for ever.
    """

    _title, _setting = "Blob store", "BLOB_URL"

    def __init__(self, address: str, access: Access = Access()) -> None:  # noqa: B008 - it is frozen
        self._address = address
        self._folder = folder_of(address)
        self._store = open_store(address, access, self._setting)
        self._files = BlobFolder(self._folder) if self._folder else None
        self._log = RedoLog.of(self._folder)
        self._opening = Lock()
        self._process: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "ObstoreBlobs":
        """The store at BLOB_URL, or in AEGIS_HOME."""
        return cls(settings.blob_address, Access.of(settings))

    def put(self, key: str, data: bytes | BinaryIO, *, durable: bool = True, wait: bool = True) -> None:
        """``data``: bytes, or a seekable file, which is read from its position to its end.

        More than 8 MiB go to a bucket in parts of that size, four at once, which takes as much memory.
        """
        with self._doing(key):
            if self._folder:
                self._write(key, data)
                if durable:
                    settle = self._make_durable(self._folder, key, data)
                    if wait:
                        settle()
            else:
                obstore.put(
                    self._store,
                    key,
                    data,
                    attributes={_SEAL: _digest(data)},
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )

    def _write(self, key: str, data: bytes | BinaryIO) -> None:
        if self._files and isinstance(data, bytes):
            self._files.put(key, data)
        else:
            obstore.put(self._store, key, data)

    def make_durable(self, key: str, digest: str | None) -> None:
        if self._folder:
            data = self.get(key)
            if digest is not None and sha256(data).hexdigest() != digest:
                raise NotFound(f"{self._title} {self._address}: {key} is damaged")
            with self._doing(key):
                self._make_durable(self._folder, key, data)

    def put_all(self, blobs: Mapping[str, bytes | BinaryIO]) -> None:
        """In a folder, all of them become durable by one sync; to a bucket go some at once."""
        if self._folder is None:
            with ThreadPoolExecutor(_PUTS_AT_ONCE) as pool:
                list(pool.map(self.put, blobs.keys(), blobs.values()))
            return
        for key, data in blobs.items():
            self.put(key, data, durable=False)
        with self._doing("all"):
            settle: Callable[[], None] = skip_sync
            large = [key for key, data in blobs.items() if not self._is_logged(data)]
            persist_all(self._folder, large)
            for key, data in blobs.items():
                settle = self._note(key, data)
            settle()

    def _make_durable(self, folder: Path, key: str, data: bytes | BinaryIO) -> Callable[[], None]:
        """Begin to make a blob durable whose file is written. The call that is returned ends that."""
        if not self._is_logged(data):
            persist(folder, key)
        return self._note(key, data)

    def _note(self, key: str, data: bytes | BinaryIO | None) -> Callable[[], None]:
        """Log the blob if it is a small one, else that the log knows it no more."""
        if self._log is None:
            return skip_sync
        logged = data if isinstance(data, bytes) and self._is_logged(data) else None
        return self._log.append(key, logged)

    def _is_logged(self, data: bytes | BinaryIO) -> bool:
        return self._log is not None and isinstance(data, bytes) and len(data) <= LOGGED

    def get(self, key: str) -> bytes:
        """The blob. Also raises Unavailable when its SHA-256 differs from the one that was put."""
        with self._doing(key):
            if self._files:
                return self._files.get(key)
            found = obstore.get(self._store, key)
            seal = found.attributes.get(_SEAL)
            data = found.bytes().to_bytes()
        self._compare(key, seal, sha256(data))
        return data

    def pieces(
        self, key: str, start: int = 0, end: int | None = None, *, at_once: int = PIECE_BYTES
    ) -> Iterator[bytes]:
        """Pieces of the blob, each read when asked for.

        When they are the whole blob, raises Unavailable after the last one if the SHA-256 differs.
        """
        size = self.length(key)
        stop = size if end is None else min(end, size)
        seal, digest = None, sha256()
        for first in range(start, stop, at_once):
            with self._doing(key):
                span = (first, min(first + at_once, stop))
                found = obstore.get(self._store, key, options={"range": span})
                seal = found.attributes.get(_SEAL)
                piece = found.bytes().to_bytes()
            digest.update(piece)
            yield piece
        if (start, stop) == (0, size):
            self._compare(key, seal, digest)

    def length(self, key: str) -> int:
        with self._doing(key):
            return int(obstore.head(self._store, key)["size"])

    def copy(self, key: str, to: str) -> None:
        """Let the store copy the blob, with its SHA-256."""
        _check(to)
        with self._doing(key):
            obstore.copy(self._store, key, to)
            if self._folder:
                persist(self._folder, to)
                self._note(to, None)

    def exists(self, key: str) -> bool:
        try:
            with self._doing(key):
                if self._files:
                    return self._files.exists(key)
                obstore.head(self._store, key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        try:
            with self._doing(key):
                self._remove(key)
                with suppress(OSError):  # a full disk must not keep blobs from being removed
                    self._note(key, None)
        except NotFound:
            return  # it is gone already

    def _remove(self, key: str) -> None:
        if self._files:
            self._files.delete(key)
        else:
            obstore.delete(self._store, key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys under the folder ``prefix`` ("" for all), in no order."""
        folder = prefix.rstrip("/")
        with self._doing(folder or "all"):
            if self._files:
                yield from self._files.keys(folder)
                return
            for batch in obstore.list(self._store, prefix=folder or None):
                yield from (found["path"] for found in batch)

    def sizes(self, folder: str) -> dict[str, int]:
        """The bytes of every blob under the folder, by key."""
        with self._doing(folder):
            found = obstore.list(self._store, prefix=folder, chunk_size=LISTED_AT_ONCE)
            return {each["path"]: each["size"] for batch in found for each in batch}

    def ping(self) -> None:
        """Return when the store answers. Raises Refused or Unavailable."""
        list(self.keys("ping"))  # only a listing notices in every store that the bucket is missing

    def _compare(self, key: str, seal: object, digest: "Hash") -> None:
        if seal is not None and seal != digest.hexdigest():
            raise Unavailable(f"{self._title} {self._address}: {key} is damaged, its SHA-256 is not {seal}")

    @contextmanager
    def _doing(self, key: str) -> Iterator[None]:
        _check(key)
        if self._process is None:
            self._open()
        if self._process != os.getpid():
            raise RuntimeError("a blob store was used before this process was forked: make a new one after")
        with translated_errors(f"{self._title} {self._address}", self._setting):
            yield

    def _open(self) -> None:
        """Write again what a power cut has taken, before anything is read or written."""
        with self._opening:
            if self._process is None and self._log and self._files:
                with translated_errors(f"{self._title} {self._address}", self._setting):
                    self._log.restore(self._files.put)
                self._log.start_retiring()
            self._process = self._process or os.getpid()


def _digest(data: bytes | BinaryIO) -> str:
    if isinstance(data, bytes):
        return sha256(data).hexdigest()
    start, digest = data.tell(), sha256()
    while block := data.read(_BLOCK_BYTES):
        digest.update(block)
    data.seek(start)  # the caller sends it from here
    return digest.hexdigest()


def _check(key: str) -> None:
    if len(key.encode()) > _LONGEST_KEY or not all(map(_usable, key.split("/"))):
        raise InvalidRequest(f"{key[:80]!r} cannot name a blob")


def _usable(segment: str) -> bool:
    # names that end in `#` and digits are obstore's own, for unfinished files
    return bool(_SEGMENT.match(segment)) and len(segment.encode()) <= _LONGEST_SEGMENT


def persist(folder: Path, key: str) -> None:
    """Sync the file, and every folder on the way to it, to disk."""
    path = folder / key
    for entry in (path, *path.parents):
        with suppress(FileNotFoundError):  # it was deleted meanwhile
            sync(entry)
        if entry == folder:
            return


def persist_all(folder: Path, keys: Collection[str]) -> None:
    """As :func:`persist`, for many files."""
    if len(keys) > _SYNCED_SINGLY and sync_file_system(folder):
        return
    for key in keys:
        persist(folder, key)
