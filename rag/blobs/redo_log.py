"""A log of small blobs that were put in a folder and may not be on its disk yet: one sync covers many.

A file by itself is durable once it and each folder above it are synced, four to six calls a blob. Instead a
blob is written to its file without a sync, then appended to this process' segment of the log, which is
synced. Threads that put at the same moment share a sync. When a segment has grown or is some minutes old, one
syncfs(2) makes all files durable, and the segment is removed: so it does not keep for long what was deleted.
After a power cut the first process that uses the folder writes the logged blobs again.

Under ``redo/`` in the folder, by names that listings of blobs leave out:

- ``NAME.log#0``: a segment, locked while its process lives. A record has the machine's boot, the seconds
  since it, the key, and the blob; none where the blob was removed, or stored in another way.
- ``synced#0``: a boot and its second before which all that was logged is on the disk.
- ``lock#0``: held while segments are made, restored and removed.
"""

import fcntl
import logging
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock, Thread
from time import monotonic, sleep
from uuid import uuid4

import msgpack

from rag.system.append_log import AppendLog
from rag.system.filesystems import sync, sync_file_system

LOGGED_BYTES = 16 << 20
"""Size of a segment from which on its blobs' files are synced."""

RETIRED_SECONDS = 300.0
"""Age of a segment's oldest record from which on its blobs' files are synced."""

CHECKED_SECONDS = 30.0
"""The pause between two looks for segments to retire."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)

Record = tuple[str, float, str, bytes | None]


class RedoLog:
    """The log of the blobs in ``folder``. Every method raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._place = folder, folder / "redo"
        self._boot = _BOOT.read_text().strip()
        self._segment: AppendLog | None = None
        self._path = self._place
        self._opened = 0.0
        self._using = RLock()

    @classmethod
    def of(cls, folder: Path | None) -> "RedoLog | None":
        """The log of a folder, where the system can sync a file system and tells one boot from another."""
        return cls(folder) if folder and sys.platform == "linux" and _BOOT.exists() else None

    def restore(self, write: Callable[[str, bytes], None]) -> None:
        """Write the blobs that a power cut may have taken, and remove segments of processes that ended.

        Call it before anything else is read or written in the folder.
        """
        if not self._place.exists():
            return
        with self._lock():
            ended = dict(self._lock_ended())
            if ended:
                records = (record for segment in ended.values() for record in _records_of(segment))
                for key, blob in _newest(self._lost(records)):
                    write(key, blob)
                self._sync_files()
            for path, segment in ended.items():
                path.unlink()
                segment.close()

    def start_retiring(self) -> None:
        """Retire old segments in a thread, for as long as this log is used in this process."""
        Thread(target=_retire_regularly, args=(weakref.ref(self),), name="redo-log", daemon=True).start()

    def retire_old(self) -> None:
        """Retire this process' segment if it is old, and those that ended processes left in this boot."""
        segment = self._segment
        if segment and monotonic() - self._opened >= RETIRED_SECONDS:
            sync_file_system(self._folder)  # the long part, while others append
            self._retire(segment)
        if any(self._segments()):
            self._retire_ended()

    def append(self, key: str, blob: bytes | None) -> Callable[[], None]:
        """Log the blob, whose file is written; None: what was logged of it counts no more.

        Returns a call that returns when the record survives a power cut, and all before it.
        """
        with self._using:
            if blob is None and not self._is_used():
                return skip_sync
            if self._segment and self._segment.size > LOGGED_BYTES:
                self._retire(self._segment)
            segment = self._segment or self._open()
            record: Record = (self._boot, monotonic(), key, blob)
            number = segment.append(msgpack.packb(record))
        return lambda: self._sync(segment, number)

    def _sync(self, segment: AppendLog, number: int) -> None:
        try:
            segment.sync(number)
        except OSError as error:
            log.warning("the log of blobs cannot be synced, so their files are: %s", error)
            self._retire(segment)

    def _retire(self, segment: AppendLog) -> None:
        """Sync the files of all blobs, and remove the segment."""
        with self._using, self._lock():
            if self._segment is segment:
                self._sync_files()
                segment.clear()
                self._path.unlink()
                self._segment = None

    def _retire_ended(self) -> None:
        """Leave those with records of another boot to :meth:`restore`, which writes their blobs."""
        with self._lock(), ExitStack() as locked:
            durable = []
            for path, segment in self._lock_ended():
                locked.callback(segment.close)
                if all(record[0] == self._boot for record in _records_of(segment)):
                    durable.append(path)
            if durable:
                self._sync_files()
            for path in durable:
                path.unlink()

    def _is_used(self) -> bool:
        """Whether any process may have logged a blob."""
        return self._segment is not None or any(self._segments())

    def _open(self) -> AppendLog:
        """A new segment of this process."""
        self._place.mkdir(mode=0o700, exist_ok=True)
        sync(self._folder)
        with self._lock():
            self._path = self._place / f"{uuid4().hex}.log#0"
            self._segment = AppendLog(self._path)
            self._opened = monotonic()
        return self._segment

    def _lock_ended(self) -> Iterator[tuple[Path, AppendLog]]:
        """Lock the segments whose processes ended."""
        for path in self._segments():
            with suppress(BlockingIOError):
                yield path, AppendLog(path)

    def _segments(self) -> Iterator[Path]:
        return self._place.glob("*.log#0")

    def _lost(self, records: Iterable[Record]) -> Iterator[Record]:
        """Those of an earlier boot whose files may not have come to the disk."""
        boot, _, synced = self._read_mark().partition(" ")
        for record in records:
            if record[0] != self._boot and not (record[0] == boot and record[1] < float(synced)):
                yield record

    def _sync_files(self) -> None:
        began = monotonic()
        if not sync_file_system(self._folder):
            raise OSError("this system cannot sync a file system")
        draft = self._place / "draft#0"
        with draft.open("w") as file:
            file.write(f"{self._boot} {began}")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._place / "synced#0")
        sync(self._place)

    def _read_mark(self) -> str:
        with suppress(FileNotFoundError):
            return (self._place / "synced#0").read_text()
        return ""

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other processes from making, restoring or removing segments."""
        with (self._place / "lock#0").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _retire_regularly(of: "weakref.ref[RedoLog]") -> None:
    """Return when the log is used no more."""
    sleep(CHECKED_SECONDS)
    while redo_log := of():
        try:
            redo_log.retire_old()
        except OSError as error:
            log.warning("the log of blobs cannot be retired and keeps what was deleted: %s", error)
        del redo_log
        sleep(CHECKED_SECONDS)


def skip_sync() -> None:
    """Return at once: there is nothing to sync."""


def _records_of(segment: AppendLog) -> Iterator[Record]:
    for body in segment.records():
        boot, at, key, blob = msgpack.unpackb(body)
        yield boot, at, key, blob


def _newest(records: Iterable[Record]) -> Iterator[tuple[str, bytes]]:
    """What is to be written: by key the last record, unless that says that the blob was removed."""
    for _, _, key, blob in {record[2]: record for record in sorted(records, key=_age)}.values():
        if blob is not None:
            yield key, blob


def _age(record: Record) -> tuple[str, float]:
    return record[0], record[1]
