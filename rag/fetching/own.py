"""The ports of this installation, which no document is fetched from."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from rag.fetching.order import Service
from rag.settings import Settings

_PORTS = {"http": 80, "https": 443}


def own_services(settings: Settings) -> tuple[Service, ...]:
    """API and Flower on this machine; broker, vector engine and model servers wherever they are."""
    return tuple(dict.fromkeys(_services(settings)))


def _services(settings: Settings) -> Iterator[Service]:
    yield Service("", settings.api_port)
    yield Service("", settings.flower_port)
    yield from (Service(_elsewhere(host), port) for host, port in settings.redis_address.nodes)
    for address in settings.qdrant_addresses:
        yield _service(address)
        yield Service(_service(address).host, settings.qdrant_grpc_port)
    servers = (settings.generator_url, settings.jina_base_url, settings.traces_url)
    yield from map(_service, filter(None, (*settings.ollama_replicas, *servers)))


def _service(url: str) -> Service:
    parts = urlsplit(url)
    return Service(_elsewhere(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme, 0))


def _elsewhere(host: str) -> str:
    """'' for this very machine."""
    host = host.strip("[]").lower()
    try:
        address = ip_address(host)
    except ValueError:
        return "" if host == "localhost" else host
    return "" if address.is_loopback or address.is_unspecified else host
