"""Moves the memory of this process into huge pages, for the sake of the children that it forks.

A fork copies an entry for each page, and a child that ends gives each back. The parsers take 20,000 pages, of
which two thirds lie in stretches that are long enough. A child that writes to a huge page gets a small one of
its own, as it would without them.
"""

import ctypes
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rag.isolation import kernel

_COLLAPSE = 25  # MADV_COLLAPSE of madvise(2), from Linux 6.1 on
_SIZE = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
_MAPS = Path("/proc/self/maps")


def take_huge_pages() -> None:
    """Where the kernel has them and memory is free in such pieces; else nothing changes."""
    with suppress(OSError):  # no kernel of Linux, or one without huge pages
        size = int(_SIZE.read_text())
        for start, end in _private_memory(_MAPS.read_text()):
            first, last = -(-start // size) * size, end // size * size
            if first < last:
                _collapse(first, last - first)


def _collapse(start: int, length: int) -> None:
    with suppress(OSError):  # this part stays as it is
        kernel.call("madvise", ctypes.c_void_p(start), ctypes.c_size_t(length), _COLLAPSE)


def _private_memory(maps: str) -> Iterator[tuple[int, int]]:
    """Start and end of what is writable, private and of no file, in the form of ``proc_pid_maps(5)``."""
    for line in maps.splitlines():
        places, access, _, _, file, *_ = line.split()
        if access == "rw-p" and file == "0":
            start, end = (int(place, 16) for place in places.split("-"))
            yield start, end
