"""A log of byte strings in one file, of which a single sync makes durable what many threads have appended.

Each record is its length and its CRC-32 (4 bytes each, big-endian), then its bytes. What stands behind a
record that is cut off or damaged, as a power cut leaves it, was never synced and is not read.
"""

import fcntl
import os
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from zlib import crc32

from rag.system.filesystems import sync

_HEAD = struct.Struct(">II")
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the second


class AppendLog:
    """The log at ``path``, made where there is none. BlockingIOError while another one has it open.

    Every method raises OSError. After a sync that failed, all that follow fail too until :meth:`clear`, since
    the system may have dropped what it could not write.
    """

    def __init__(self, path: Path) -> None:
        is_new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        # the kernel closes it with the process, so a crash leaves no log that is taken for open
        self._close = weakref.finalize(self, os.close, self._file)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_new:
            sync(path.parent)
        self.size = os.fstat(self._file).st_size
        self._appending, self._syncing = Lock(), Lock()
        self._appended = self._durable = 0
        self._failed = False

    def records(self) -> Iterator[bytes]:
        """What earlier processes appended, in order."""
        at = 0
        while len(head := os.pread(self._file, _HEAD.size, at)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            if length > self.size - at:
                return
            body = os.pread(self._file, length, at + _HEAD.size)
            if len(body) < length or crc32(body) != checksum:
                return
            yield body
            at += _HEAD.size + length

    def append(self, body: bytes) -> int:
        """Write a record. Returns its number, for :meth:`sync`."""
        record = _HEAD.pack(len(body), crc32(body)) + body
        with self._appending:
            try:
                _write(self._file, record)
            except OSError:
                os.ftruncate(self._file, self.size)  # else no record behind this one could be read
                raise
            self.size += len(record)
            self._appended += 1
            return self._appended

    def sync(self, number: int) -> None:
        """Return when the record of this number, and all before it, survive a power cut.

        Whoever waits for another thread's sync shares the next one with all that wait.
        """
        with self._syncing:
            if self._durable >= number:
                return
            if self._failed:
                raise OSError("an earlier sync of the log failed")
            reached = self._appended
            self._failed = True
            _sync(self._file)
            self._failed = False
            self._durable = reached

    def clear(self) -> None:
        """Remove all records. The caller has made durable what they say, and nobody appends meanwhile."""
        with self._syncing, self._appending:
            os.ftruncate(self._file, 0)
            self.size = 0
            self._durable = self._appended
            self._failed = False

    def close(self) -> None:
        with self._syncing, self._appending:
            self._close()


def _write(file: int, record: bytes) -> None:
    rest = memoryview(record)
    while rest:
        rest = rest[os.write(file, rest) :]
