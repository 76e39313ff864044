"""Runs the process of one fetch: ``python -m rag.fetching.child OWNER``.

:mod:`rag.fetching.process` starts it. It reads its order from standard input, since every user of the
machine can read a command line, and writes its answer to standard output. It knows nothing else of the
installation.
"""

import codecs
import ctypes
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from rag import isolation
from rag.errors import AegisError, DocumentTooLarge, Unavailable
from rag.fetching import wire
from rag.fetching.hops import Download
from rag.fetching.order import Order
from rag.isolation import Confinement, limits
from rag.web import charsets

_BASE_BYTES = 128 << 20
"""The interpreter and its modules take 20 MB or so, certificates 10."""

_LATE_SECONDS = 5
_ETC = Path("/etc")


def reach() -> tuple[Path, ...]:
    """The files that this process reads once it is confined: those by which names are resolved.

    Beside them it needs TCP connections to any address and port, and what the C library asks for names: UDP
    and TCP to port 53, or the sockets of systemd-resolved and nscd.
    """
    etc = ("resolv.conf", "hosts", "nsswitch.conf", "host.conf", "gai.conf", "services", "protocols")
    folders = map(Path, ("/run/systemd/resolve", "/run/nscd", "/var/run/nscd"))
    return (*(_ETC / name for name in etc), *folders)


def confine(owner: int, order: Order) -> None:
    """Bound memory, time, files and processes, end with ``owner``, and reach nothing but the network and
    the files of :func:`reach`."""
    limits.die_with_parent(owner)
    limits.volunteer_for_oom_killer()
    _preload()
    signal.setitimer(signal.ITIMER_REAL, order.seconds + _LATE_SECONDS)  # its signal ends the process
    limits.confine(_BASE_BYTES + 3 * order.max_bytes + 2 * order.answer_bytes, int(order.seconds) + 1)
    # Resolving names and reading the answer takes no other thread or process.
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    isolation.enter(Confinement(network=True, readable=reach()), owner)


def _preload() -> None:
    """Load what would be loaded at its first use, from files that a confined process cannot open."""
    charsets.load()
    codecs.lookup("idna")  # which ssl wants for any host
    with suppress(OSError):
        socket.getaddrinfo(b"localhost", None)
    lines: list[str] = []
    with suppress(OSError):
        lines = (_ETC / "nsswitch.conf").read_text("utf-8", "replace").splitlines()
    hosts = next((line for line in lines if line.startswith("hosts:")), "")
    for service in filter(str.isidentifier, hosts.split()[1:]):
        with suppress(OSError):  # it is a part of the C library, or not there
            ctypes.CDLL(f"libnss_{service}.so.2")


def answer(download: Download) -> tuple[bytes, bytes]:
    """The header line of the answer, and the document; b"" in place of one that was not fetched."""
    try:
        fetched = download.run()
    except AegisError as error:
        return wire.refusal(error), b""
    except MemoryError:
        return wire.refusal(DocumentTooLarge("Fetching the document takes too much memory.")), b""
    except Exception as error:  # noqa: BLE001 - its text may hold the URL, so only its type is told
        return wire.refusal(Unavailable(f"Fetching failed: unexpected {type(error).__name__}")), b""
    return wire.header(fetched), fetched.data


def main() -> None:
    order = Order.unpacked(sys.stdin.buffer.read())
    download = Download(order)
    confine(int(sys.argv[1]), order)
    for payload in answer(download):
        sys.stdout.buffer.write(payload)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
