"""``BlobStore`` over obstore: a folder, memory, S3, Azure or Google Cloud Storage."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from rag.errors import ConfigurationError, ErrorTable, InvalidRequest, NotFound, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_SEGMENT = re.compile(r"(?!\.{1,2}\Z)(?!.*#\d+\Z)[^/\x00-\x1f\x7f]+\Z", re.DOTALL)
_LONGEST_SEGMENT, _LONGEST_KEY = 250, 1024  # bytes: of file systems, of S3
_REQUESTS: "ClientConfig" = {"connect_timeout": "5s", "timeout": "60s", "allow_http": True}
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}
_ERRORS: ErrorTable = {FileNotFoundError: NotFound, BaseError: Unavailable, OSError: Unavailable}
_FULL = ("os error 28", "os error 122", "Errno 28", "Errno 122")  # no space, over quota


class ObstoreBlobs:
    """Blobs at ``address``: ``file:///…``, ``memory:///``, ``s3://``, ``az://`` or ``gs://``.

    Credentials, region and endpoint of a cloud come from its own variables, read by
    obstore. Nothing is sent before the first call. In a folder, a blob that ``put``
    returned for survives a power cut.

    Not usable in a process forked from one that used any store before: obstore's threads
    do not exist there, and calls would wait for ever.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._folder = _folder_of(address)
        self._store = _opened(address, self._folder)
        self._process: int | None = None

    def put(self, key: str, data: bytes | BinaryIO, *, durable: bool = True) -> None:
        """``data``: bytes, or a seekable file, read from where it stands to its end."""
        with self._doing(key):
            obstore.put(self._store, key, data)
            if self._folder and durable:
                _persist(self._folder, key)

    def get(self, key: str) -> bytes:
        with self._doing(key):
            return obstore.get(self._store, key).bytes().to_bytes()

    def exists(self, key: str) -> bool:
        try:
            with self._doing(key):
                obstore.head(self._store, key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        try:
            with self._doing(key):
                obstore.delete(self._store, key)
        except NotFound:
            return  # so it is gone

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys under the folder ``prefix`` ("" for all), in no order."""
        folder = prefix.rstrip("/")
        with self._doing(folder or "all"):
            for batch in obstore.list(self._store, prefix=folder or None):
                yield from (found["path"] for found in batch)

    def ping(self) -> None:
        """Return when the store answers; Unavailable when it does not."""
        self.exists("ping")

    @contextmanager
    def _doing(self, key: str) -> Iterator[None]:
        _check(key)
        self._process = self._process or os.getpid()
        if self._process != os.getpid():
            raise RuntimeError("a blob store was used before this process was forked: make a new one after")
        with _explained(f"Blob store {self._address}"):
            yield


def _folder_of(address: str) -> Path | None:
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _opened(address: str, folder: Path | None) -> ObjectStore:
    try:
        if folder:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return LocalStore(prefix=folder, automatic_cleanup=True)
        if address.startswith("memory:"):
            return from_url(address)
        return from_url(address, client_options=_REQUESTS, retry_config=_RETRIES)
    except (BaseError, OSError, ValueError) as error:
        raise ConfigurationError(f"BLOB_URL {address}: {_first_line(error)}") from error


def _check(key: str) -> None:
    if len(key.encode()) > _LONGEST_KEY or not all(map(_usable, key.split("/"))):
        raise InvalidRequest(f"{key[:80]!r} cannot name a blob")


def _usable(segment: str) -> bool:
    """obstore keeps its unfinished files under names that end in ``#`` and digits."""
    return bool(_SEGMENT.match(segment)) and len(segment.encode()) <= _LONGEST_SEGMENT


def _persist(folder: Path, key: str) -> None:
    """Make the file last, and every folder entry on the way to it."""
    path = folder / key
    for entry in (path, *path.parents):
        with suppress(FileNotFoundError):  # it was deleted meanwhile
            _sync(entry)
        if entry == folder:
            return


def _sync(entry: Path) -> None:
    descriptor = os.open(entry, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(subject: str) -> Iterator[None]:
    """Turn obstore's errors into ours; without its dump of internals, and a full disk by that name."""
    try:
        yield
    except tuple(_ERRORS) as error:
        reason = _first_line(error)
        if any(sign in reason for sign in _FULL):
            raise Unavailable(f"{subject} is full: free some space, then try again ({reason})") from error
        ours = next(ours for theirs, ours in _ERRORS.items() if isinstance(error, theirs))
        raise ours(f"{subject}: {reason}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
