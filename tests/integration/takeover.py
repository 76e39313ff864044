"""What code tries that has taken over a confined process, and a victim for it: a process with secrets."""

import ctypes
import encodings.idna  # noqa: F401 - by which names are resolved; a confined process could not load it
import faulthandler
import mmap
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import F_GETFD, fcntl
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from rag import isolation
from rag.isolation import Confinement, kernel, limits

PTRACE_ATTACH, IO_URING_SETUP, MEMFD_CREATE_X86, MEMFD_CREATE_ARM, PIDFD_OPEN = 16, 425, 319, 279, 434

NOT_CONFINED = "not confined"


@dataclass(frozen=True)
class Victim:
    """``home`` is like AEGIS_HOME: blobs, and sockets that others speak to. ``port`` takes TCP and UDP."""

    home: Path
    pid: int
    port: int

    @property
    def socket(self) -> str:
        return str(self.home / "run" / "broker.sock")

    @property
    def abstract(self) -> str:
        return f"\0aegis-{self.pid}"


@contextmanager
def victim(home: Path) -> Iterator[Victim]:
    """Every door stands open: sockets and files for everybody, a process of the same user."""
    for folder in (home, home / "run", home / "blobs"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    (home / "blobs" / "tenant").write_text("what a tenant sent")
    (home / "blobs" / "tenant").chmod(0o644)
    (home / "script").write_text("#!/bin/sh\nexit 0\n")
    (home / "script").chmod(0o755)
    program = "import time; print('up', flush=True); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "GENERATOR_API_KEY": "secret"},
        stdout=subprocess.PIPE,
    )
    with process, socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        assert process.stdout is not None
        process.stdout.readline()
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        found = Victim(home, process.pid, port)
        with listening(found.socket), listening(found.abstract):
            Path(found.socket).chmod(0o777)
            try:
                yield found
            finally:
                process.kill()


@contextmanager
def listening(path: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield


Attempt = Callable[[Victim], object]


def read_environment(of: Victim) -> object:
    return Path(f"/proc/{of.pid}/environ").read_bytes()


def read_memory(of: Victim) -> object:
    return os.open(f"/proc/{of.pid}/mem", os.O_RDWR)


def read_blob(of: Victim) -> object:
    return (of.home / "blobs" / "tenant").read_bytes()


def read_passwords(of: Victim) -> object:
    return Path("/etc/passwd").read_bytes()


def list_blobs(of: Victim) -> object:
    return list((of.home / "blobs").iterdir())


def look_for_a_file(of: Victim) -> object:
    return (of.home / "blobs" / "tenant").stat()


def write_blob(of: Victim) -> object:
    return (of.home / "blobs" / "evil").write_text("evil")


def write_temporary(of: Victim) -> object:
    return Path(f"/tmp/aegis-evil-{of.pid}").write_text("evil")


def remove_blob(of: Victim) -> object:
    return (of.home / "blobs" / "tenant").rename(of.home / "blobs" / "gone")


def speak_to_broker(of: Victim) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(of.socket)
        return client.send(b"KEYS *\r\n")


def speak_to_abstract(of: Victim) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect(of.abstract)


def speak_tcp(of: Victim) -> object:
    with socket.create_connection(("127.0.0.1", of.port), 5) as client:
        return client.send(b"x")


def speak_udp(of: Victim) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        return client.sendto(b"x", ("127.0.0.1", of.port))


def listen_tcp(of: Victim) -> object:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.listen()


def speak_netlink(of: Victim) -> object:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


def send_datagrams_by_a_pair(of: Victim) -> object:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def signal_victim(of: Victim) -> object:
    return os.kill(of.pid, 0)


def signal_everybody(of: Victim) -> object:
    return os.killpg(0, 0)


def open_victim(of: Victim) -> object:
    return kernel.syscall(PIDFD_OPEN, of.pid, 0)


def trace_victim(of: Victim) -> object:
    return kernel.call("ptrace", PTRACE_ATTACH, of.pid, None, None)


def fork(of: Victim) -> object:
    if not (pid := os.fork()):
        os._exit(0)
    return os.waitpid(pid, 0)


def leave_the_group(of: Victim) -> object:
    return os.setsid()


def execute(of: Victim) -> object:
    """Only what refuses it comes back."""
    os.execv(str(of.home / "script"), ["script"])
    raise AssertionError("unreachable")


def spawn(of: Victim) -> object:
    return subprocess.run(["/bin/true"], check=True)


def execute_from_memory(of: Victim) -> object:
    number = MEMFD_CREATE_ARM if kernel.machine() == kernel.AARCH64 else MEMFD_CREATE_X86
    return kernel.syscall(number, ctypes.c_char_p(b"evil"), 0)


def make_code(of: Victim) -> object:
    return mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def queue_io(of: Victim) -> object:
    return kernel.syscall(IO_URING_SETUP, 4, ctypes.create_string_buffer(120))


def take_namespaces(of: Victim) -> object:
    return kernel.call("unshare", 0x10000000)


def raise_limits(of: Victim) -> object:
    return resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def open_descriptors() -> list[int]:
    return [descriptor for descriptor in range(1024) if told(lambda: fcntl(descriptor, F_GETFD)) == "done"]  # noqa: B023 - called at once


FILES: tuple[Attempt, ...] = (
    read_environment, read_memory, read_blob, read_passwords, list_blobs,
    write_blob, write_temporary, remove_blob,
)  # fmt: skip
SOCKETS: tuple[Attempt, ...] = (
    speak_to_broker, speak_to_abstract, speak_tcp, speak_udp, listen_tcp, speak_netlink,
    send_datagrams_by_a_pair,
)  # fmt: skip
PROCESSES: tuple[Attempt, ...] = (
    signal_victim, signal_everybody, open_victim, trace_victim, fork, leave_the_group, execute, spawn,
    execute_from_memory, make_code, queue_io, take_namespaces, raise_limits, look_for_a_file,
)  # fmt: skip
ATTEMPTS = (*FILES, *SOCKETS, *PROCESSES)


_CLEAN = multiprocessing.get_context("forkserver")
"""Children of a process without threads, and small: a child of pytest itself would have its locks as they
were, and more memory than a confined process may."""
_CLEAN.set_forkserver_preload([__name__])


def outcome(act: Callable[[], object], entering: Callable[[], object] | None = None) -> str:
    """``done``, or the error, of ``act`` in a child that has gone through ``entering``; both are pickled.
    The child leads no group, so that a signal to its own reaches others."""
    reading, writing = _CLEAN.Pipe(duplex=False)
    with reading:
        process = child(_answer, writing, act, entering)
        writing.close()
        try:
            answer = str(reading.recv())
        except EOFError:
            answer = "done"  # it has become another program
        process.join()
    assert answer != NOT_CONFINED
    return answer


def child(act: Callable[..., object], *arguments: object) -> BaseProcess:
    process = _CLEAN.Process(target=act, args=arguments)
    process.start()
    return process


def _answer(writing: Connection, act: Callable[[], object], entering: Callable[[], object] | None) -> None:
    answer = NOT_CONFINED
    try:
        faulthandler.disable()
        _close_others(writing.fileno())  # of the server that forked it
        if entering:
            entering()
        answer = told(act)
    except Exception:  # noqa: BLE001 - nobody is above
        traceback.print_exc()
    finally:
        writing.send(answer)
        os._exit(0)


def _close_others(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def told(act: Callable[[], object]) -> str:
    """``done``, or the error."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever refuses it
        return f"{type(error).__name__}: {error}"
    return "done"


def enter_confinement(confinement: Confinement) -> None:
    """As the parsing process' children do, limits included."""
    limits.confine(1 << 30, 60)
    measures = isolation.enter(confinement, os.getppid())
    assert not list(isolation.missing(measures)), measures


def confined(confinement: Confinement) -> Callable[[], None]:
    return partial(enter_confinement, confinement)
