"""A small internet with hostile servers and a hostile name server, in a network namespace of its own.

Run as ``unshare -nm python -m tests.integration.hostilenet RESOLV_CONF``. Each line of standard input is an
order's fields as JSON, fetched as the product does it; each line of output is what came of it, in what time,
with how much memory, and which servers inside were reached.
"""

import json
import os
import resource
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from rag.errors import AegisError
from rag.fetching import Order, fetch

PUBLIC = "93.184.216.34"
SILENT = tuple(f"93.184.216.{last}" for last in range(37, 45))
INNER_PORT = 8099
_BOMB_MB = 400
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
_PACKED = _HEAD + b"Content-Encoding: gzip\r\n\r\n"
_LOCATIONS = {
    "private": "http://127.0.0.1:8099/secret",
    "noscheme": "//127.0.0.1:8099/secret",
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:6379/_INFO",
    "userinfo": "http://a:b@127.0.0.1:8099/",
    "decimal": "http://2130706433:8099/",
    "hex": "http://0x7f000001:8099/",
    "mapped": "http://[::ffff:7f00:1]:8099/",
    "metadata": "http://meta.test/latest",
    "private-name": "http://private.test/",
    "rebinding": "http://rebind.test:8099/x",
    "self": "/to/self",
    "unicode": "http://①②⑦.⓪.⓪.①:8099/",
    "spaces": " http://127.0.0.1:8099/",
    "tab": "ht\ttp://127.0.0.1:8099/",
    "long": "/" + "a" * 60_000,
}
reached_inside: list[str] = []


class Hostile(socketserver.BaseRequestHandler):
    """One request, answered by what its path names."""

    def handle(self) -> None:
        try:
            request = self.request.recv(65_536)
            path = request.split(b" ")[1].decode()
            if self.server.server_address[0] != PUBLIC:
                reached_inside.append(path)
            kind, _, rest = path.partition("?")[0].strip("/").partition("/")
            getattr(self, f"_{kind}", self._ok)(rest)
        except OSError:
            return  # whoever asked has gone

    def _ok(self, _: str) -> None:
        self._send(b"public words")

    def _send(self, body: bytes, content_type: str = "text/plain", more: str = "") -> None:
        lines = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        self.request.sendall(b"HTTP/1.1 200 OK\r\n" + lines.encode() + body)

    def _to(self, name: str) -> None:
        location = _LOCATIONS[name].encode()
        self.request.sendall(b"HTTP/1.1 302 x\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")

    def _drip(self, begin: bytes, piece: bytes, every: float = 0.2) -> None:
        self.request.sendall(begin)
        while True:
            self.request.sendall(piece)
            time.sleep(every)

    def _slowhead(self, _: str) -> None:
        self._drip(_HEAD, b"X-A: a\r\n")

    def _interim(self, _: str) -> None:
        self._drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10, 0.05)

    def _interim_fast(self, _: str) -> None:
        self._drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0)

    def _slowbody(self, _: str) -> None:
        self._drip(_HEAD + b"\r\n", b"x")

    def _endless(self, _: str) -> None:
        self._drip(_HEAD + b"\r\n", b"x" * 65_536, 0)

    def _gzname(self, _: str) -> None:
        """A file name in gzip's head that never ends, which unpacks to nothing."""
        self._drip(_PACKED + b"\x1f\x8b\x08\x08\0\0\0\0\0\3", b"n" * 1000)

    def _gzname_fast(self, _: str) -> None:
        self._drip(_PACKED + b"\x1f\x8b\x08\x08\0\0\0\0\0\3", b"n" * 65_536, 0)

    def _gzempty(self, _: str) -> None:
        """Empty blocks for ever."""
        self._drip(_PACKED + b"\x1f\x8b\x08\0\0\0\0\0\0\3", b"\0\0\0\xff\xff" * 200)

    def _gzempty_fast(self, _: str) -> None:
        self._drip(_PACKED + b"\x1f\x8b\x08\0\0\0\0\0\0\3", b"\0\0\0\xff\xff" * 10_000, 0)

    def _gzmembers(self, _: str) -> None:
        """Members of no byte each, for ever."""
        member = zlib.compressobj(9, zlib.DEFLATED, 31)
        self._drip(_PACKED, member.flush() * 1000, 0)

    def _gzbomb(self, _: str) -> None:
        self._send(_packed(_BOMB_MB), more="Content-Encoding: gzip\r\n")

    def _gzgz(self, _: str) -> None:
        self._send(_twice_packed(_BOMB_MB), more="Content-Encoding: gzip, gzip\r\n")

    def _gzmany(self, _: str) -> None:
        self._send(b"x" * 100, more=f"Content-Encoding: {', '.join(['gzip'] * 9000)}\r\n")

    def _trailers(self, _: str) -> None:
        self._drip(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", b"X: y\r\n")

    def _chunkext(self, _: str) -> None:
        self._drip(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;", b"e")

    def _tinychunks(self, _: str) -> None:
        self._drip(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000, 0)

    def _charset(self, name: str) -> None:
        self._send(b"xn--a." * 100_000, f"text/plain; charset={name}")

    def _length(self, _: str) -> None:
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nx")

    def _http09(self, _: str) -> None:
        self.request.sendall(b"just bytes")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@cache
def _packed(megabytes: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


@cache
def _twice_packed(megabytes: int) -> bytes:
    outer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return outer.compress(_packed(megabytes)) + outer.flush()


def _addresses(name: str, asked: int) -> list[str] | None:
    """None: no answer at all. ``asked``: how often the name was."""
    known = {
        "evil.test": [PUBLIC],
        "rebind.test": [PUBLIC] if asked % 2 else ["127.0.0.1"],
        "both.test": ["127.0.0.1", PUBLIC],
        "many.test": list(SILENT),
        "private.test": ["10.0.0.5"],
        "meta.test": ["169.254.169.254"],
        "slow.test": None,
    }
    return known.get(name, [])


def _serve_names() -> None:
    """Answers of RFC 1035, enough for a resolver that asks for A and AAAA."""
    server, asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), Counter[str]()
    server.bind(("127.0.0.1", 53))
    while True:
        query, whom = server.recvfrom(512)
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
            at += query[at] + 1
        (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
        name = ".".join(labels)
        asked[name] += kind == 1
        found = _addresses(name, asked[name])
        if found is None:
            continue
        found = found if kind == 1 else []
        answer = query[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, len(found), 0, 0) + query[12 : at + 5]
        for address in found:
            answer += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
        server.sendto(answer, whom)


def _never_answer() -> list[socket.socket]:
    """Ports whose queue is full, so that a connection to them is never made."""
    kept = []
    for address in SILENT:
        listening = socket.create_server((address, 81), backlog=0)
        kept.append(listening)
        for _ in range(3):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex((address, 81))
            kept.append(waiting)
    return kept


def _prepare(resolv_conf: Path) -> None:
    resolv_conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:60\n")
    commands = [["mount", "--bind", str(resolv_conf), "/etc/resolv.conf"], ["ip", "link", "set", "lo", "up"]]
    commands += [["ip", "addr", "add", f"{address}/32", "dev", "lo"] for address in (PUBLIC, *SILENT)]
    for command in commands:
        subprocess.run(command, check=True)
    _packed(_BOMB_MB)
    _twice_packed(_BOMB_MB)
    for host, port in ((PUBLIC, 80), (PUBLIC, INNER_PORT), ("127.0.0.1", INNER_PORT)):
        _start(Server((host, port), Hostile).serve_forever)
    _start(_serve_names)


def _start(run: Callable[[], None]) -> None:
    threading.Thread(target=run, daemon=True).start()


def _fetched(fields: dict[str, Any]) -> dict[str, Any]:
    reached_inside.clear()
    began = time.monotonic()
    try:
        fetched = fetch(Order(**fields))
        came = {"kind": "fetched", "text": fetched.data[:100].decode("utf-8", "replace"), "url": fetched.url}
    except AegisError as error:
        came = {"kind": type(error).__name__, "text": str(error)}
    return came | {
        "seconds": time.monotonic() - began,
        "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10,
        "inside": list(reached_inside),
        "left": _children(),
    }


def _children() -> int:
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def main() -> None:
    _prepare(Path(sys.argv[1]))
    kept = _never_answer()
    print("ready", flush=True)  # noqa: T201 - what its caller waits for
    for line in sys.stdin:
        print(json.dumps(_fetched(json.loads(line))), flush=True)  # noqa: T201
    del kept


if __name__ == "__main__":
    main()
