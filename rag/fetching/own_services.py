"""Lists the ports of this installation, which no document is fetched from."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from rag.fetching.order import Service
from rag.settings import Settings

_PORTS = {"http": 80, "https": 443}


def own_services(settings: Settings) -> tuple[Service, ...]:
    """API and Flower on this machine; broker, vector engine and model servers wherever they are."""
    servers = (settings.generator_url, settings.jina_base_url, settings.traces_url)
    engines = [_service(address) for address in settings.qdrant_addresses]
    services = (
        Service("", settings.api_port),
        Service("", settings.flower_port),
        *(Service(_host_elsewhere(host), port) for host, port in settings.redis_address.nodes),
        *([Service("", settings.broker_port)] if settings.broker_host else []),
        *engines,
        *(Service(engine.host, settings.qdrant_grpc_port) for engine in engines),
        *(_service(url) for url in (*settings.ollama_replicas, *servers) if url),
    )
    return tuple(dict.fromkeys(services))


def _service(url: str) -> Service:
    parts = urlsplit(url)
    return Service(_host_elsewhere(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme, 0))


def _host_elsewhere(host: str) -> str:
    """``host`` in lower case; '' for this machine, whatever its name."""
    host = host.strip("[]").lower()
    try:
        address = ip_address(host)
    except ValueError:
        return "" if host == "localhost" else host
    return "" if address.is_loopback or address.is_unspecified else host
