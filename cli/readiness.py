"""How the supervisor sees that a part is ready, from the outside and with little."""

import json
import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import psutil

from cli.part import Probe

_SECONDS = 2.0
_FRESH_SECONDS = 0.2


def redis_answers(path: Path) -> Probe:
    """A Redis or Valkey server on the Unix socket ``path`` answers PING, its data loaded."""

    def probe(_pid: int) -> str | None:
        try:
            with closing(_connected(path)) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError as error:
            return str(error)
        return None if answer.startswith(b"+PONG") else answer.decode("utf-8", "replace").strip()

    return probe


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


def wrote(folder: Path, pattern: str) -> Probe:
    """The process has written a file of ``folder`` that matches ``pattern`` since it was started."""

    def probe(pid: int) -> str | None:
        try:
            began = psutil.Process(pid).create_time()
            written = any(file.stat().st_mtime >= began - 1 for file in folder.glob(pattern))
        except (psutil.NoSuchProcess, FileNotFoundError) as error:
            return str(error)
        return None if written else f"nothing written to {folder / pattern} yet"

    return probe


class HealthPage:
    """The API's ``/health``, read by many probes and fetched at most five times a second."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
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
            if isinstance(components, str):
                return components
            seen = components.get(component, {})
            detail = seen.get("detail", {})
            if seen.get("ready") and detail.get("pid", pid) == pid:
                return None
            return str(detail.get("error", "no sign of life of this process"))

        return probe

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
                connection.request("GET", path)
                page = json.loads(connection.getresponse().read())
            except (OSError, HTTPException, ValueError) as error:
                return f"the API does not answer: {error}"
        return page if isinstance(page, dict) else f"{path} is not an object"


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
