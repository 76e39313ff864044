"""What a process that parses may not do. Each step is one system call on the calling process."""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER_NEWNET = 0x10000000 | 0x40000000
_LARGEST_FILE = 1 << 20  # nothing but messages on stderr
_OPEN_FILES = 64


def confine(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound memory, CPU time, written files and open files, and leave no core.

    Memory is RLIMIT_DATA: private writable pages. Address space (RLIMIT_AS) would count the
    hundreds of MB that allocators and thread pools only reserve, more on larger machines.
    Where the system does not enforce it (macOS) the zygote watches the resident size.
    """
    for limit, value in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` ends, where it can (Linux)."""
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def leave_network() -> None:
    """Move to an empty network namespace, where the system lets us; elsewhere nothing changes."""
    if LINUX:
        ctypes.CDLL(None).unshare(_CLONE_NEWUSER_NEWNET)


def volunteer_for_oom_killer() -> None:
    """When the machine runs out of memory, this process goes first."""
    if LINUX:
        with suppress(OSError):  # some containers forbid it, and it is a courtesy only
            Path("/proc/self/oom_score_adj").write_text("1000")
