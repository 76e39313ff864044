"""Has the kernel refuse files, TCP, signals and abstract sockets to this process: Landlock.

Its ABI grows with the kernel: 1 (5.13) knows files, 4 (6.7) TCP, 6 (6.12) signals and
abstract sockets. What the running kernel does not know is left out. Source: ``landlock(7)``,
``linux/landlock.h``.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag.isolation import kernel
from rag.isolation.confinement import Confinement

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # on every architecture
_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights about files an ABI knows
_MOST_FILE_RIGHTS = 16  # from 5 on
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract sockets, signals
_KNOWS_TCP, _KNOWS_SCOPES = 4, 6


def abi() -> int:
    """The newest ABI of this kernel. Raises OSError where it has none."""
    return kernel.syscall(_CREATE, 0, 0, _VERSION)


def restrict(confinement: Confinement) -> int:
    """Restrict this thread, and the threads that it will start, for good. Returns the ABI that was used.

    New privileges must have been renounced. Raises OSError where the kernel refuses.
    """
    version = abi()
    with _ruleset(_attributes(version, confinement)) as ruleset:
        for path in confinement.readable:
            _allow_reading(ruleset, path)
        kernel.syscall(_RESTRICT, ruleset, 0)
    return version


def _attributes(version: int, confinement: Confinement) -> bytes:
    """``struct landlock_ruleset_attr``, as long as the ABI has it."""
    files = (1 << _FILE_RIGHTS.get(version, _MOST_FILE_RIGHTS)) - 1
    tcp = 0 if confinement.network else _TCP
    known = 3 if version >= _KNOWS_SCOPES else 2 if version >= _KNOWS_TCP else 1
    return struct.pack(f"{known}Q", *(files, tcp, _SCOPES)[:known])


@contextmanager
def _ruleset(attributes: bytes) -> Iterator[int]:
    descriptor = kernel.syscall(_CREATE, attributes, len(attributes), 0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _allow_reading(ruleset: int, path: Path) -> None:
    """A path that is not there, or not for this user, grants nothing."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        rights = _READ_FILE | _READ_FOLDER if path.is_dir() else _READ_FILE
        kernel.syscall(_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)
