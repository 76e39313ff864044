"""Allows the system calls that a confined process may still make. Every call that is not listed fails.

The list has what the interpreter and the parsers need to compute: memory, threads, time, pipes, and
descriptors that are open. It has no call that opens a file, makes a socket, starts a process or program, or
reaches another process, unless the confinement asks for files or the network. It was found by tracing every
readable format and a corpus of hostile files.
"""

import ctypes
import errno
import os
from collections.abc import Iterable, Iterator
from functools import cache

from rag.isolation import bpf, kernel
from rag.isolation.bpf import Rule, Test
from rag.isolation.confinement import Confinement
from rag.isolation.syscalls import number

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_CLONE3 = 435  # on every architecture; newer calls fail as unknown, so that the C library does without
_CLONE_THREAD, _CLONE_NEW = 0x00010000, 0x7E020000
_PROT_EXEC = 0x4
_FCNTLS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_IOCTLS = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_PRCTLS = (15, 16, 0x53564D41)  # PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: names of threads and memory
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_STREAM, _DATAGRAM, _TYPE = 1, 2, 0xF
_NOT_FOR_READING = 0o1 | 0o2 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC

_COMPUTING = (
    "read readv pread64 write writev close close_range lseek fstat dup dup2 dup3 pipe pipe2 "
    "poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 "
    "timerfd_create timerfd_settime timerfd_gettime "
    "munmap mremap madvise brk mincore "
    "exit exit_group futex futex_waitv set_robust_list get_robust_list rseq set_tid_address "
    "sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max "
    "sched_get_priority_min getcpu "
    "rt_sigaction rt_sigprocmask rt_sigpending rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack "
    "restart_syscall clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times "
    "getpid gettid getppid getuid geteuid getgid getegid getgroups getresuid getresgid getpgid getpgrp "
    "getsid getrusage getrlimit sysinfo uname getrandom getcwd "
    "recvfrom getsockname getpeername getsockopt shutdown"
)
_READING = (
    "newfstatat statx stat lstat access faccessat faccessat2 readlink readlinkat getdents64 statfs fstatfs"
)
_TALKING = "connect sendto sendmsg sendmmsg recvmsg recvmmsg setsockopt"

Call = tuple[str, *tuple[Test, ...]]


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(confinement: Confinement) -> None:
    """Filter the calls of this thread, and of the threads that it will start, for good.

    New privileges must have been renounced. Raises OSError where the kernel refuses, and on an architecture
    whose calls are not known here.
    """
    load(filter_for(confinement, kernel.machine(), os.getpid()))


def load(code: bytes) -> None:
    """Have the kernel run an assembled filter at every call of this thread. Raises OSError."""
    instructions = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // bpf.INSTRUCTION.size, ctypes.addressof(instructions))
    kernel.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program))


def filter_for(confinement: Confinement, machine: str, pid: int) -> bytes:
    """The filter of the process ``pid``, which may signal itself alone. OSError for an unknown machine."""
    if machine not in bpf.AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no filter is written for {machine}")
    own = _blocks([("tgkill", Test(0, (pid,)))], machine)
    return bpf.assembled([*bpf.beginning(machine), *own]) + _common(confinement, machine)


@cache
def _common(confinement: Confinement, machine: str) -> bytes:
    """The part that all processes share. It is made once, since making it takes 5 ms."""
    return bpf.assembled([*_blocks(allowed(confinement), machine), *bpf.end(_CLONE3)])


def _blocks(calls: Iterable[Call], machine: str) -> Iterator[bpf.Instruction]:
    for name, *tests in calls:
        if (known := number(name, machine)) is not None:  # the architecture has it
            yield from bpf.block(Rule(known, tuple(tests)))


def allowed(confinement: Confinement) -> Iterator[Call]:
    """The names of allowed calls, each with the tests of its arguments."""
    yield from ((name,) for name in _COMPUTING.split())
    yield "mmap", Test(2, (0,), mask=_PROT_EXEC)
    yield "mprotect", Test(2, (0,), mask=_PROT_EXEC)
    yield "clone", Test(0, (_CLONE_THREAD,), mask=_CLONE_THREAD | _CLONE_NEW)
    yield "fcntl", Test(1, _FCNTLS)
    yield "ioctl", Test(1, _IOCTLS)
    yield "prctl", Test(0, _PRCTLS)
    yield "prlimit64", Test(0, (0,)), *_null(2)
    yield "socketpair", Test(0, (_AF_UNIX,)), Test(1, (_STREAM,), mask=_TYPE)
    if confinement.readable:
        yield from ((name,) for name in _READING.split())
        yield "open", Test(1, (0,), mask=_NOT_FOR_READING)
        yield "openat", Test(2, (0,), mask=_NOT_FOR_READING)
    if confinement.network:
        yield from ((name,) for name in _TALKING.split())
        yield "socket", Test(0, (_AF_INET, _AF_INET6)), Test(1, (_STREAM, _DATAGRAM), mask=_TYPE)
    else:  # to the other end of a socket pair: without an address
        yield "sendto", *_null(4)


def _null(argument: int) -> tuple[Test, Test]:
    return Test(argument, (0,)), Test(argument, (0,), upper=True)
