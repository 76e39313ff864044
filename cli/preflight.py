"""What can be known to be wrong before anything is started, each in one line."""

import socket
from contextlib import closing
from urllib.parse import urlsplit

from rag.errors import ConfigurationError, Unavailable
from rag.settings import Settings

_CONNECT_SECONDS = 2.0
_REDIS_PORT = 6379


def check(settings: Settings) -> None:
    """ConfigurationError for ports that are taken and for a broker that could lose jobs, Unavailable for
    servers that do not answer."""
    check_ports(settings)
    if settings.redis_url is not None:
        _reachable("REDIS_URL", settings.redis_url.get_secret_value(), _REDIS_PORT)
        check_broker(settings)


def check_broker(settings: Settings) -> None:
    """ConfigurationError with a line for each risk, Unavailable without an answer."""
    from rag.stores.condition import condition_of  # noqa: PLC0415 - redis-py takes a while
    from rag.stores.redis import connect  # noqa: PLC0415 - the same

    with connect(settings) as client:
        condition_of(client, may_forget=settings.broker_may_forget).require_safe()


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


def _reachable(name: str, url: str, default_port: int) -> None:
    """TCP only, and first, since it says at once what is wrong with an address."""
    parts = urlsplit(url)
    if not parts.hostname:  # a Unix socket
        return
    place = (parts.hostname, parts.port or default_port)
    try:
        socket.create_connection(place, timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise Unavailable(f"{name}: nothing answers at {place[0]}:{place[1]} ({error})") from error
