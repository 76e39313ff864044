"""Probes: how the supervisor checks from outside, at little cost, that a service is ready."""

import json
import socket
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import gethostname
from threading import Lock
from time import monotonic
from typing import Any

import msgpack
import psutil
from pydantic import SecretStr

from cli.supervisor.service import Probe
from rag.system.framing import framed

_SECONDS = 2.0
_FRESH_SECONDS = 0.2
_WORKING_SECONDS = 0.02  # of processor time between two looks; little, since the machine may be busy
_BROKER = "broker"
_NO_SIGN = "it shows no sign of life"
_PING = b"PING\r\n"


def redis_answers(path: Path, password: SecretStr | None = None) -> Probe:
    """A Redis or Valkey server on the Unix socket ``path`` has loaded its data and answers PING."""
    secret = password.get_secret_value().encode() if password else b""
    login = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(secret), secret) if secret else b""

    def probe(_pid: int) -> str | None:
        try:
            answer = _ask(path, login + _PING)
        except OSError as error:
            return str(error)
        answer = answer.removeprefix(b"+OK\r\n")
        return None if answer.startswith(b"+PONG") else answer.decode("utf-8", "replace").strip() or "not yet"

    return probe


def redis_speaks(path: Path) -> Probe:
    """A Redis or Valkey server answers anything, for example that it is still loading."""
    return _speaks(path, _PING)


def engine_speaks(path: Path) -> Probe:
    """The vector engine on the Unix socket ``path`` answers a call."""
    request: bytes = msgpack.packb(["ping", [], {}])
    return _speaks(path, framed(request))


def _speaks(path: Path, request: bytes) -> Probe:
    def probe(_pid: int) -> str | None:
        try:
            return None if _ask(path, request) else "it ends every connection"
        except OSError as error:
            return f"it does not answer: {error}"

    return probe


def http_answers(host: str, port: int, path: str) -> Probe:
    """The HTTP server answers, with any status."""

    def probe(_pid: int) -> str | None:
        with closing(HTTPConnection(host, port, timeout=_SECONDS)) as connection:
            try:
                connection.request("GET", path)
                connection.getresponse().read()
            except (OSError, HTTPException) as error:
                return f"it does not answer: {error}"
        return None

    return probe


def socket_accepts(path: Path) -> Probe:
    """A server listens on the Unix socket ``path``."""
    return _succeeds(lambda: _connect(path).close())


def port_accepts(host: str, port: int) -> Probe:
    """A server listens on the TCP port."""
    return _succeeds(lambda: socket.create_connection((host, port), timeout=_SECONDS).close())


def _succeeds(act: Callable[[], None]) -> Probe:
    """``act`` does not raise an OSError."""

    def probe(_pid: int) -> str | None:
        try:
            act()
        except OSError as error:
            return str(error)
        return None

    return probe


def every(probes: Iterable[Probe]) -> Probe:
    """What the first of ``probes`` says that finds something wrong."""
    asked = tuple(probes)

    def probe(pid: int) -> str | None:
        return next((wrong for each in asked if (wrong := each(pid)) is not None), None)

    return probe


def unless_working(probe: Probe) -> Probe:
    """The same as ``probe``, but None while the process uses the processor: then it is slow, not hung."""
    spent: dict[int, float] = {}

    def watch(pid: int) -> str | None:
        wrong = probe(pid)
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess as error:
            return str(error)
        before = spent.get(pid, 0.0)
        # Only one process of the service runs at a time, so older entries are of dead ones.
        spent.clear()
        spent[pid] = times.user + times.system
        return wrong if spent[pid] - before < _WORKING_SECONDS else None

    return watch


class HealthPage:
    """The API's health page. Many probes read it; it is fetched at most five times a second."""

    def __init__(self, host: str, port: int, token: str) -> None:
        """``token``: the API tells its holder which worker processes it has heard from."""
        self._place = (host, port)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._lock = Lock()
        self._fetched_at = 0.0
        self._components: dict[str, dict[str, Any]] | str = "not asked yet"

    def answers(self) -> Probe:
        """The API process answers, whatever it says about the others."""

        def probe(_pid: int) -> str | None:
            page = self._get("/health/live")
            return page if isinstance(page, str) else None

        return probe

    def shows(self, component: str) -> Probe:
        """The API has had a sign of life from this process of the component, not from an earlier one."""

        def probe(pid: int) -> str | None:
            components = self._read()
            return components if isinstance(components, str) else _missing(components, component, pid)

        return probe

    def misses(self, component: str) -> Probe:
        """As :meth:`shows`, for a running process: without API or broker nothing can be known, so None."""

        def watch(pid: int) -> str | None:
            components = self._read()
            if isinstance(components, str) or not components.get(_BROKER, {}).get("ready"):
                return None
            return _missing(components, component, pid)

        return watch

    def _read(self) -> dict[str, dict[str, Any]] | str:
        # Probes run in several threads: the first one fetches the page for all.
        with self._lock:
            if monotonic() - self._fetched_at > _FRESH_SECONDS:
                page = self._get("/health/ready")
                self._components = page if isinstance(page, str) else page.get("components", {})
                self._fetched_at = monotonic()
            return self._components

    def _get(self, path: str) -> dict[str, Any] | str:
        """The JSON object at ``path``, whatever the HTTP status; or what went wrong."""
        with closing(HTTPConnection(*self._place, timeout=_SECONDS)) as connection:
            try:
                connection.request("GET", path, headers=self._headers)
                page = json.loads(connection.getresponse().read())
            except (OSError, HTTPException, ValueError) as error:
                return f"the API does not answer: {error}"
        return page if isinstance(page, dict) else f"{path} is not an object"


def _missing(components: dict[str, dict[str, Any]], component: str, pid: int) -> str | None:
    """What the health page reports against the process ``pid`` of this machine; None when it is well."""
    detail = components.get(component, {}).get("detail", {})
    workers = [each for each in detail.get("workers", ()) if each["worker"].endswith(f"@{gethostname()}")]
    own = next((worker for worker in workers if worker.get("pid") == pid), None)
    if own is None:
        return str(detail.get("error", _NO_SIGN))
    error: str | None = own.get("error")
    return error


def _ask(path: Path, request: bytes) -> bytes:
    """The first bytes of the answer."""
    with closing(_connect(path)) as connection:
        connection.sendall(request)
        return connection.recv(64)


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_SECONDS)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection
