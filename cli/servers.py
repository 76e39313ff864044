"""The servers that the settings name, and whether anybody answers there."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rag.settings import Settings

_CONNECT_SECONDS = 2.0
_PORTS = {"http": 80, "https": 443}
_QDRANT_PORT = 6333


@dataclass(frozen=True, slots=True)
class Server:
    """What the setting ``name`` names; one of ``places``, (host, port), has to answer."""

    name: str
    places: tuple[tuple[str, int], ...]

    def missing(self) -> str | None:
        """A line with every place's reason when nobody answers at any; TCP only."""
        wrong = [why for place in self.places if (why := _unreachable(*place))]
        if not self.places or len(wrong) < len(self.places):
            return None
        return f"{self.name}: {'; '.join(wrong)}"


def servers(settings: Settings) -> Iterator[Server]:
    """Those that the chosen roles need, the broker first."""
    if settings.redis_url is not None:
        yield Server("REDIS_URL", settings.redis_address.nodes)
    yield _web("QDRANT_URL", settings.qdrant_addresses, _QDRANT_PORT)
    if "ollama" in (settings.embedded_by, settings.answered_by):
        yield _web("OLLAMA_URL", settings.ollama_replicas)
    if settings.answered_by == "openai" and settings.generator_url:
        yield _web("GENERATOR_URL", [settings.generator_url])
    if "jina" in (settings.embedded_by, settings.reranked_by):
        yield _web("JINA_BASE_URL", [settings.jina_url])


def _web(name: str, urls: Sequence[str], port: int | None = None) -> Server:
    return Server(name, tuple(place for url in urls for place in _direct(url, port)))


def _direct(url: str, port: int | None) -> Iterator[tuple[str, int]]:
    """Nothing for an address that is reached through a proxy: the proxy's own answer says nothing."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in getproxies() or proxy_bypass(host):
        yield host, parts.port or port or _PORTS[parts.scheme]


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return f"nothing answers at {host}:{port} ({error})"
    return None
