"""Reads hosts as addresses and headers name them."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

_THIS_MACHINE = "localhost"
_LONGEST = 300
"""Characters of a host with its port: a name has 253 at most. A bound keeps the cache small."""


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether ``host`` is localhost, or an address that no other machine reaches."""
    address = address_of(host)
    if address is None:
        return host.lower() == _THIS_MACHINE
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1, on sockets for both families
    return (mapped or address).is_loopback


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address, with its zone (``%eth0``) if it has one; None where ``host`` is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def counted_as(host: str) -> str:
    """The key under which a caller's requests are counted: of an IPv6 address the first 64 bits.

    Each network has at least a /64, and may write from any of its addresses. An IPv4-mapped address counts
    as IPv4, and what is no address counts as it is.
    """
    address = address_of(host)
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


def host_of(authority: str) -> str | None:
    """The host of a ``Host`` header (RFC 9110, 7.2), in lower case, without brackets and final dot.

    None for a header that names no host.
    """
    return _host_of(authority) if len(authority) <= _LONGEST else None


@lru_cache(maxsize=256)
def _host_of(authority: str) -> str | None:
    try:
        parts = urlsplit(f"//{authority}")
        host, _ = parts.hostname, parts.port
    except ValueError:  # brackets that do not close, a port that is none
        return None
    if host is None or parts.netloc != authority or "@" in authority:
        return None
    return host.removesuffix(".") or None


def reachable(host: str) -> str:
    """An address to connect to where a server listens on ``host``, which may mean all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def http_url(host: str, port: int) -> str:
    """The URL of a server that listens on ``host``, for clients on the same machine."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
