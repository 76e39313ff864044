"""Checks before anything starts. Each problem is reported in one line."""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rag.errors import ConfigurationError, Unavailable
from rag.settings import Settings
from rag.startup import first_call, require_closed_api, require_closed_broker, require_closed_flower

_CONNECT_SECONDS = 2.0
_PORTS = {"http": 80, "https": 443}
_QDRANT_PORT = 6333


def check(settings: Settings) -> None:
    """Raise the first problem found.

    ConfigurationError: an address that this machine does not have, an API or Flower open to everybody, a port
    in use, a generator that is not installed, a broker that could lose jobs. Unavailable: a server that does
    not answer.
    """
    check_host(settings.listen_host)
    require_closed_api(settings)
    require_closed_flower(settings)
    require_closed_broker(settings)
    check_ports(settings)
    check_generator(settings)
    if missing := [line for server in servers(settings) if (line := server.missing())]:
        raise Unavailable("\n".join(missing))
    if settings.redis_url is not None:
        check_broker(settings)
    if settings.qdrant_url is not None:
        from rag.vectors.qdrant.nodes import nodes_of  # noqa: PLC0415 - loads for a second
        from rag.vectors.qdrant.store import QdrantVectorStore  # noqa: PLC0415 - the same

        with closing(QdrantVectorStore(nodes_of(settings), settings, patience=0.0)) as store, first_call():
            store.ping()
    if not settings.blob_address.startswith("file:"):
        from rag.blobs.store import ObstoreBlobs  # noqa: PLC0415 - obstore loads slowly

        with first_call():
            ObstoreBlobs.of(settings).ping()


def refused_by(checks: Iterable[Callable[[Settings], None]], settings: Settings) -> Iterator[str]:
    """A line for each problem that the checks report."""
    for check_one in checks:
        try:
            check_one(settings)
        except ConfigurationError as error:
            yield from str(error).splitlines()


def check_broker(settings: Settings) -> None:
    """ConfigurationError with a line for each risk; Unavailable when the broker does not answer."""
    from rag.redis.connection import connect  # noqa: PLC0415 - the same
    from rag.redis.health import read_health  # noqa: PLC0415 - redis-py loads slowly

    with connect(settings) as client, first_call():
        read_health(client, may_forget=settings.broker_may_forget).require_safe()


def check_generator(settings: Settings) -> None:
    """ConfigurationError when the packages of the chosen GENERATOR are not installed."""
    if settings.answered_by != "smollm2":
        return
    from workers.generation import smollm2  # noqa: PLC0415 - loads an HTTP client

    if missing := smollm2.missing():
        raise ConfigurationError(
            f"GENERATOR=smollm2 needs {' and '.join(missing)}: {smollm2.INSTALL}; or choose another GENERATOR"
        )


def check_host(host: str) -> None:
    """ConfigurationError when no interface of this machine has the address."""
    try:
        _bind(host, 0).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no host has such a name"
        raise ConfigurationError(
            f"API_HOST: {host} is no address of this machine ({reason}): set it to 127.0.0.1 for "
            "this machine alone, or to 0.0.0.0 for all its addresses"
        ) from error


def check_ports(settings: Settings) -> None:
    """ConfigurationError for the first port that is in use, or that this user may not open."""
    check_port_numbers(settings)
    for name, (host, port) in _ports(settings).items():
        try:
            _bind(host, port).close()
        except PermissionError as error:
            raise ConfigurationError(
                f"{name}: port {port} needs rights that this user lacks: set {name} to one from 1024 on"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"{name}: port {port} on {host} cannot be used ({error.strerror}). "
                f"Stop what uses it, or set {name} to another port."
            ) from error


def check_port_numbers(settings: Settings) -> None:
    """ConfigurationError when two services have the same port."""
    names: dict[int, str] = {}
    for name, (_, port) in _ports(settings).items():
        if other := names.get(port):
            raise ConfigurationError(f"{other} and {name} are both {port}: choose two ports")
        names[port] = name


def _ports(settings: Settings) -> dict[str, tuple[str, int]]:
    """The address and port of each service that listens on TCP, by the setting of the port."""
    host = settings.listen_host
    ports = {"API_PORT": (host, settings.api_port), "FLOWER_PORT": (host, settings.flower_port)}
    if settings.metrics_port:
        ports["METRICS_PORT"] = (host, settings.metrics_port)
    if settings.answered_by == "smollm2":
        ports["SMOLLM2_PORT"] = ("127.0.0.1", settings.smollm2_port)
    if settings.embedded_broker and settings.broker_host:
        ports["BROKER_PORT"] = (settings.broker_host, settings.broker_port)
    return ports


def _bind(host: str, port: int) -> socket.socket:
    """A socket that is bound to the address as a server's would be. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        # As servers do: a port whose last connections are just closing is free.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the setting ``name``; one of ``places``, (host, port), must answer."""

    name: str
    places: tuple[tuple[str, int], ...]

    @classmethod
    def at(cls, name: str, urls: Sequence[str], port: int | None = None) -> "Server":
        """Without the URLs that are reached through a proxy: that the proxy answers says nothing."""
        places = []
        for parts in map(urlsplit, urls):
            host = parts.hostname or ""
            if parts.scheme not in getproxies() or proxy_bypass(host):
                places.append((host, parts.port or port or _PORTS[parts.scheme]))
        return cls(name, tuple(places))

    def missing(self) -> str | None:
        """When no place accepts a TCP connection: a line with the reason for each."""
        wrong = []
        for host, port in self.places:
            try:
                socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
            except OSError as error:
                wrong.append(f"nothing answers at {host}:{port} ({error})")
            else:
                return None
        return f"{self.name}: {'; '.join(wrong)}" if wrong else None


def servers(settings: Settings) -> Iterator[Server]:
    """The servers that the chosen roles need, the broker first."""
    if settings.redis_url is not None:
        yield Server("REDIS_URL", settings.redis_address.nodes)
    yield Server.at("QDRANT_URL", settings.qdrant_addresses, _QDRANT_PORT)
    if "ollama" in (settings.embedded_by, settings.answered_by):
        yield Server.at("OLLAMA_URL", settings.ollama_replicas)
    if settings.answered_by == "openai" and settings.generator_url:
        yield Server.at("GENERATOR_URL", [settings.generator_url])
    if "jina" in (settings.embedded_by, settings.reranked_by):
        yield Server.at("JINA_BASE_URL", [settings.jina_url])
