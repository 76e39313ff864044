"""Files that are mostly holes: where their data is, and copies that keep the holes."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

Check: TypeAlias = Callable[[], None]
"""Called now and then; raises to end what goes on."""

Pace: TypeAlias = Callable[[int], None]
"""Called with the descriptor of the copy after each block of it; raises to end the copying."""

_CLONE = 0x40049409  # FICLONE of linux/fs.h
BLOCK = 4 * 1024 * 1024
_GRAIN = 16 * 1024


def extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """Offset and length of what the file holds between its holes, ascending."""
    end, size = 0, os.fstat(descriptor).st_size
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end - start


def copy(source: Path, target: Path, pace: Pace) -> None:
    """Sharing the blocks where the file system can (btrfs, XFS), else what differs from ``target``.

    So an earlier copy is cheap to bring up to date, and zeros stay holes in one that is made anew.
    """
    target.touch(mode=0o600)
    with source.open("rb") as original, target.open("r+b") as made:
        os.ftruncate(made.fileno(), os.fstat(original.fileno()).st_size)
        if not _clone(original.fileno(), made.fileno()):
            _copy_differences(original.fileno(), made.fileno(), pace)


def unhurried(check: Check) -> Pace:
    """Has each block written to disk before the next one.

    Else a GB of them would lie before whatever the engine writes meanwhile, and its every flush wait.
    """

    def pace(target: int) -> None:
        check()
        os.fsync(target)

    return pace


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError:  # two file systems, or one that cannot
        return False
    return True


def _copy_differences(source: int, target: int, pace: Pace) -> None:
    for start, length in _joined(sorted([*extents(source), *extents(target)])):
        for offset in range(start, start + length, BLOCK):
            size = min(BLOCK, start + length - offset)
            wanted, present = os.pread(source, size, offset), os.pread(target, size, offset)
            for first, end in _differences(wanted, present):
                _write(target, memoryview(wanted)[first:end], offset + first)
            pace(target)


def _joined(ascending: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets and lengths of what they cover together."""
    joined: list[tuple[int, int]] = []
    for offset, length in ascending:
        first, end = offset, offset + length
        if joined and first <= sum(joined[-1]):
            first, before = joined.pop()
            end = max(end, first + before)
        joined.append((first, end - first))
    return joined


def _differences(wanted: bytes, present: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch that differs, in grains."""
    if wanted == present:
        return
    first = None
    for start in range(0, len(wanted), _GRAIN):
        if wanted[start : start + _GRAIN] == present[start : start + _GRAIN]:
            if first is not None:
                yield first, start
            first = None
        elif first is None:
            first = start
    if first is not None:
        yield first, len(wanted)


def _write(target: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(target, data, offset)
        data, offset = data[written:], offset + written
