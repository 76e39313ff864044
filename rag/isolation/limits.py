"""Limits the resources of the process that calls, and has it end with its parent or its children with it."""

import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

import psutil

from rag.isolation import kernel, privileges
from rag.isolation.kernel import LINUX

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LARGEST_FILE = 1 << 20  # nothing but messages on stderr
_OPEN_FILES = 64
_OOM_SCORE = Path("/proc/self/oom_score_adj")


def confine(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound memory, CPU time, written files and open files, and leave no core.

    Memory is RLIMIT_DATA: private writable pages. Address space (RLIMIT_AS) would count the
    hundreds of MB that allocators and thread pools only reserve, more on larger machines.
    Where the system does not enforce it (macOS), the fork server watches the resident size.
    """
    # Not RLIMIT_NPROC, which counts threads too, and parsers need threads: seccomp refuses processes.
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
    """Have the kernel kill this process when ``parent`` ends, where it can (Linux).

    The kernel forgets it when the process changes its user.
    """
    if LINUX:
        kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, where the system can do that (Linux)."""
    if LINUX:
        kernel.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_children() -> None:
    """Kill every descendant, and wait for those that are children or become so by :func:`adopt_orphans`."""
    with suppress(ChildProcessError):  # none is left
        while True:
            ended, _ = os.waitpid(-1, os.WNOHANG)
            if not ended:
                for process in psutil.Process().children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                os.waitpid(-1, 0)


def volunteer_for_oom_killer() -> None:
    """When the machine runs out of memory, this process goes first."""
    if LINUX:
        privileges.allow_inspection()  # without it the file belongs to root
        with suppress(OSError), _OOM_SCORE.open("wb", buffering=0) as score:
            score.write(b"1000")  # some containers forbid it, and nothing depends on it
