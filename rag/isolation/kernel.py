"""Makes system calls that Python does not offer, by ctypes. Every failure is an OSError with its reason."""

import ctypes
import errno
import os
import sys
from functools import cache
from typing import Any

LINUX = sys.platform == "linux"
X86_64, AARCH64 = "x86_64", "aarch64"


def machine() -> str:
    """The architecture, on which the numbers of system calls depend: ``x86_64``, ``aarch64`` or another."""
    return os.uname().machine


def prctl(option: int, *arguments: int) -> int:
    """``prctl(2)``; what is left out is 0, as the kernel demands."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return call("prctl", option, *(ctypes.c_ulong(value) for value in padded))


def syscall(number: int, *arguments: Any) -> int:
    """A system call by its number. Whole numbers go as ``long``, the rest as ctypes passes it."""
    passed = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    return call("syscall", ctypes.c_long(number), *passed)


def call(name: str, *arguments: Any) -> int:
    """A function of the C library that returns -1 for a failure."""
    if not LINUX:
        raise OSError(errno.ENOSYS, f"{sys.platform} has no such mechanism")
    result = int(getattr(_library(), name)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
