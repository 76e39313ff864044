"""How the supervisor sees that a part is ready, from the outside and with little."""

import json
import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import gethostname
from threading import Lock
from time import monotonic
from typing import Any

import msgpack
import psutil

from cli.part import Probe
from rag.framing import framed

_SECONDS = 2.0
_FRESH_SECONDS = 0.2
_WORKING_SECONDS = 0.02  # in two seconds, on a machine that is busy with others
_BROKER = "broker"
_SILENCE = "it shows no sign of life"
_PING = b"PING\r\n"


def redis_answers(path: Path) -> Probe:
    """A Redis or Valkey server on the Unix socket ``path`` answers PING, its data loaded."""

    def probe(_pid: int) -> str | None:
        try:
            answer = _asked(path, _PING)
        except OSError as error:
            return str(error)
        return None if answer.startswith(b"+PONG") else answer.decode("utf-8", "replace").strip()

    return probe


def redis_speaks(path: Path) -> Probe:
    """It says anything at all, such as that it is still loading."""
    return _speaks(path, _PING)


def engine_speaks(path: Path) -> Probe:
    """The vector engine on the Unix socket ``path`` answers a call."""
    request: bytes = msgpack.packb(["ping", [], {}])
    return _speaks(path, framed(request))


def http_answers(host: str, port: int, path: str) -> Probe:
    """The HTTP server answers, with whatever status."""

    def probe(_pid: int) -> str | None:
        with closing(HTTPConnection(host, port, timeout=_SECONDS)) as connection:
            try:
                connection.request("GET", path)
                connection.getresponse().read()
            except (OSError, HTTPException) as error:
                return f"it does not answer: {error}"
        return None

    return probe


def unless_working(probe: Probe) -> Probe:
    """What ``probe`` says, but None while the process computes: then it is late, and does not hang."""
    spent: dict[int, float] = {}

    def watch(pid: int) -> str | None:
        wrong = probe(pid)
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess as error:
            return str(error)
        before = spent.get(pid, 0.0)
        spent.clear()
        spent[pid] = times.user + times.system
        return wrong if spent[pid] - before < _WORKING_SECONDS else None

    return watch


def socket_accepts(path: Path) -> Probe:
    """Somebody listens on the Unix socket ``path``."""

    def probe(_pid: int) -> str | None:
        try:
            _connected(path).close()
        except OSError as error:
            return str(error)
        return None

    return probe


def port_accepts(host: str, port: int) -> Probe:
    """Somebody listens on the TCP port."""

    def probe(_pid: int) -> str | None:
        try:
            socket.create_connection((host, port), timeout=_SECONDS).close()
        except OSError as error:
            return str(error)
        return None

    return probe


class HealthPage:
    """The API's ``/health``, read by many probes and fetched at most five times a second."""

    def __init__(self, host: str, port: int, token: str) -> None:
        """``token``: with which the API tells which processes it has signs of."""
        self._place = (host, port)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._lock = Lock()
        self._fetched_at = 0.0
        self._components: dict[str, dict[str, Any]] | str = "not asked yet"

    def answers(self) -> Probe:
        """The API process answers, whatever it says of the others."""
        return lambda _pid: _or_none(self._get("/health/live"))

    def shows(self, component: str) -> Probe:
        """The API has had a sign of life from the component's process, not from an earlier one's."""

        def probe(pid: int) -> str | None:
            components = self._now()
            return components if isinstance(components, str) else _missing(components, component, pid)

        return probe

    def misses(self, component: str) -> Probe:
        """The same as of a part that was ready: while the API or the broker is away, nothing can be known."""

        def watch(pid: int) -> str | None:
            components = self._now()
            if isinstance(components, str) or not components.get(_BROKER, {}).get("ready"):
                return None
            return _missing(components, component, pid)

        return watch

    def _now(self) -> dict[str, dict[str, Any]] | str:
        with self._lock:
            if monotonic() - self._fetched_at > _FRESH_SECONDS:
                page = self._get("/health/ready")
                self._components = page if isinstance(page, str) else page.get("components", {})
                self._fetched_at = monotonic()
            return self._components

    def _get(self, path: str) -> dict[str, Any] | str:
        """The JSON object at ``path`` whatever its status, or what went wrong."""
        with closing(HTTPConnection(*self._place, timeout=_SECONDS)) as connection:
            try:
                connection.request("GET", path, headers=self._headers)
                page = json.loads(connection.getresponse().read())
            except (OSError, HTTPException, ValueError) as error:
                return f"the API does not answer: {error}"
        return page if isinstance(page, dict) else f"{path} is not an object"


def _missing(components: dict[str, dict[str, Any]], component: str, pid: int) -> str | None:
    """What the component's page lacks of the process ``pid`` of this machine."""
    detail = components.get(component, {}).get("detail", {})
    words = [w for w in detail.get("workers", ()) if w["worker"].endswith(f"@{gethostname()}")]
    own = next((said for said in words if said.get("pid") == pid), None)
    if own is None:
        return str(detail.get("error", _SILENCE))
    why: str | None = own.get("error")
    return why


def _speaks(path: Path, request: bytes) -> Probe:
    def probe(_pid: int) -> str | None:
        try:
            return None if _asked(path, request) else "it ends every connection"
        except OSError as error:
            return f"it does not answer: {error}"

    return probe


def _asked(path: Path, request: bytes) -> bytes:
    """The beginning of the answer."""
    with closing(_connected(path)) as connection:
        connection.sendall(request)
        return connection.recv(64)


def _or_none(page: dict[str, Any] | str) -> str | None:
    return page if isinstance(page, str) else None


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_SECONDS)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection
