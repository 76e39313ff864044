"""The filter of system calls, run by a small interpreter of its machine: nothing here needs a kernel."""

import struct
from pathlib import Path

import pytest

from rag.isolation import Confinement, bpf, seccomp
from rag.isolation.kernel import AARCH64, X86_64
from rag.isolation.syscalls import number

PID = 4711
REFUSED, UNKNOWN = bpf.ERRNO | bpf.EPERM, bpf.ERRNO | bpf.ENOSYS
UNREACHING = Confinement()
READING = Confinement(readable=(Path("/etc/hosts"),))
ONLINE = Confinement(network=True)
EXECVE = {X86_64: 59, AARCH64: 221}
DANGEROUS = {
    X86_64: {
        "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101, "setsid": 112, "setpgid": 109,
        "personality": 135, "mount": 165, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "setns": 308,
        "process_vm_readv": 310, "process_vm_writev": 311, "memfd_create": 319, "bpf": 321, "execveat": 322,
        "userfaultfd": 323, "io_uring_setup": 425, "bind": 49, "listen": 50, "accept": 43, "chroot": 161,
        "rt_sigqueueinfo": 129, "tkill": 200, "unlink": 87, "rename": 82, "mkdir": 83, "symlink": 88,
    },
    AARCH64: {
        "execve": 221, "kill": 129, "ptrace": 117, "setsid": 157, "setpgid": 154, "personality": 92,
        "mount": 40, "keyctl": 219, "unshare": 97, "perf_event_open": 241, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "memfd_create": 279, "bpf": 280, "execveat": 281,
        "userfaultfd": 282, "io_uring_setup": 425, "bind": 200, "listen": 201, "accept": 202, "chroot": 51,
        "rt_sigqueueinfo": 138, "tkill": 130, "unlinkat": 35, "mkdirat": 34,
    },
}  # fmt: skip


def judged(code: bytes, arch: int, call: int, *arguments: int) -> int:
    """What the kernel would answer, by ``linux/filter.h``."""
    data = struct.pack("<iIQ6Q", call, arch, 0, *(arguments + (0,) * 6)[:6])
    instructions = list(bpf.INSTRUCTION.iter_unpack(code))
    accumulator = place = 0
    while True:
        operation, true, false, operand = instructions[place]
        place += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x54:
                accumulator &= operand
            case 0x15:
                place += true if accumulator == operand else false
            case 0x35:
                place += true if accumulator >= operand else false
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"no such operation: {operation:#x}")


@pytest.fixture(params=[X86_64, AARCH64])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def answer(machine: str, call: int, *arguments: int, confinement: Confinement = UNREACHING) -> int:
    code = seccomp.filter_for(confinement, machine, PID)
    return judged(code, bpf.AUDIT_ARCH[machine], call, *arguments)


def known(name: str, machine: str) -> int:
    found = number(name, machine)
    assert found is not None
    return found


def test_what_computes_is_allowed(machine: str) -> None:
    for name in ("read", "write", "futex", "brk", "munmap", "exit_group", "clock_gettime", "getrandom"):
        assert answer(machine, known(name, machine)) == bpf.ALLOW, name


def test_dangerous_calls_are_refused_whatever_the_confinement_asks_for(machine: str) -> None:
    for confinement in (UNREACHING, READING, ONLINE):
        for name, call in DANGEROUS[machine].items():
            assert answer(machine, call, confinement=confinement) != bpf.ALLOW, name


def test_no_call_beyond_those_named_is_allowed(machine: str) -> None:
    names = {name for name, *_ in seccomp.allowed(UNREACHING)} | {"tgkill"}
    named = {number(name, machine) for name in names}
    for call in range(1024):
        if call not in named:
            assert answer(machine, call) != bpf.ALLOW, call


def test_newer_calls_look_unknown_so_that_the_library_takes_older_ones(machine: str) -> None:
    assert answer(machine, 435) == UNKNOWN  # clone3, whose flags no filter can see
    assert answer(machine, 999) == UNKNOWN
    assert answer(machine, EXECVE[machine]) == REFUSED


def test_another_architecture_ends_the_process(machine: str) -> None:
    code = seccomp.filter_for(UNREACHING, machine, PID)
    others = [arch for name, arch in bpf.AUDIT_ARCH.items() if name != machine]
    for arch in (*others, 0x40000003):  # 32-bit x86, whose numbers mean other calls
        assert judged(code, arch, known("read", machine)) == bpf.KILL


def test_the_x32_interface_is_refused() -> None:
    assert answer(X86_64, 0x40000000 | known("read", X86_64)) == UNKNOWN


def test_a_thread_is_allowed_and_a_process_or_a_namespace_is_not(machine: str) -> None:
    clone, thread = known("clone", machine), 0x3D0F00
    assert answer(machine, clone, thread) == bpf.ALLOW
    assert answer(machine, clone, 17) == REFUSED  # SIGCHLD: fork
    assert answer(machine, clone, thread | 0x10000000) == REFUSED  # CLONE_NEWUSER


def test_only_the_process_itself_may_be_signalled(machine: str) -> None:
    assert answer(machine, known("tgkill", machine), PID, PID + 1) == bpf.ALLOW
    assert answer(machine, known("tgkill", machine), PID + 1, PID + 1) == REFUSED


def test_memory_never_becomes_executable(machine: str) -> None:
    for name in ("mmap", "mprotect"):
        assert answer(machine, known(name, machine), 0, 4096, 0x3) == bpf.ALLOW
        assert answer(machine, known(name, machine), 0, 4096, 0x5) == REFUSED


def test_files_are_opened_for_reading_alone_and_only_where_some_are_readable(machine: str) -> None:
    openat = known("openat", machine)
    assert answer(machine, openat, 0, 0, 0) == REFUSED
    assert answer(machine, openat, 0, 0, 0, confinement=READING) == bpf.ALLOW
    for writing in (0o1, 0o2, 0o100, 0o1000):  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
        assert answer(machine, openat, 0, 0, writing, confinement=READING) == REFUSED


def test_sockets_are_of_the_internet_and_only_where_the_network_is_asked_for(machine: str) -> None:
    call = known("socket", machine)
    for family, kind, allowed in ((2, 1, True), (10, 2, True), (1, 1, False), (16, 3, False), (2, 3, False)):
        assert answer(machine, call, family, kind) == REFUSED
        assert (answer(machine, call, family, kind, confinement=ONLINE) == bpf.ALLOW) is allowed


def test_a_pair_of_sockets_cannot_be_led_elsewhere(machine: str) -> None:
    pair, send = known("socketpair", machine), known("sendto", machine)
    assert answer(machine, pair, 1, 1 | 0o2000000) == bpf.ALLOW  # a stream
    assert answer(machine, pair, 1, 2) == REFUSED  # datagrams may be sent to any address
    assert answer(machine, send, 3, 0, 0, 0, 0) == bpf.ALLOW
    assert answer(machine, send, 3, 0, 0, 0, 1 << 40) == REFUSED  # an address in the upper half


def test_limits_may_be_asked_for_and_not_set(machine: str) -> None:
    call = known("prlimit64", machine)
    assert answer(machine, call, 0, 7, 0) == bpf.ALLOW
    assert answer(machine, call, 0, 7, 0x7FFF00000000) == REFUSED
    assert answer(machine, call, 1, 7, 0) == REFUSED
