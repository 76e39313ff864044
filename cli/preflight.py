"""What can be known to be wrong before anything is started, each in one line."""

import socket
from contextlib import closing

from cli.servers import servers
from rag.errors import ConfigurationError, Unavailable
from rag.exposure import require_closed_api, require_closed_flower
from rag.settings import Settings
from rag.starting import settling


def check(settings: Settings) -> None:
    """ConfigurationError for an open door, ports that are taken and a broker that could lose jobs,
    Unavailable for servers that do not answer."""
    require_closed_api(settings)
    require_closed_flower(settings)
    check_ports(settings)
    if missing := [line for server in servers(settings) if (line := server.missing())]:
        raise Unavailable("\n".join(missing))
    if settings.redis_url is not None:
        check_broker(settings)
    if settings.qdrant_url is not None:
        _check_vectors(settings)
    if not settings.blob_address.startswith("file:"):
        _check_blobs(settings)


def check_broker(settings: Settings) -> None:
    """ConfigurationError with a line for each risk, Unavailable without an answer."""
    from rag.stores.condition import condition_of  # noqa: PLC0415 - redis-py takes a while
    from rag.stores.redis import connect  # noqa: PLC0415 - the same

    with connect(settings) as client, settling():
        condition_of(client, may_forget=settings.broker_may_forget).require_safe()


def _check_vectors(settings: Settings) -> None:
    """ConfigurationError or Unavailable when no server at QDRANT_URL serves us."""
    from rag.stores.vectors.qdrant.connection import nodes_of  # noqa: PLC0415 - qdrant-client takes a second
    from rag.stores.vectors.qdrant.store import QdrantVectorStore  # noqa: PLC0415 - the same

    with closing(QdrantVectorStore(nodes_of(settings), settings, patience=0.0)) as store, settling():
        store.ping()


def _check_blobs(settings: Settings) -> None:
    """ConfigurationError or Unavailable when BLOB_URL does not let itself be asked."""
    from rag.stores.blobs import ObstoreBlobs  # noqa: PLC0415 - obstore takes a while

    with settling():
        ObstoreBlobs.of(settings).ping()


def check_ports(settings: Settings) -> None:
    if settings.api_port == settings.flower_port:
        raise ConfigurationError(f"API_PORT and FLOWER_PORT are both {settings.api_port}: choose two ports")
    for name, port in (("API_PORT", settings.api_port), ("FLOWER_PORT", settings.flower_port)):
        _free(name, settings.listen_host, port)


def _free(name: str, host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ConfigurationError(f"API_HOST: {host!r} is no address of this machine: {error}") from error
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise ConfigurationError(
                f"{name}: port {port} on {host} cannot be used ({error.strerror}). "
                f"Stop what uses it, or set {name} to another port."
            ) from error
