"""Whose request it is when a proxy hands it on: ``X-Forwarded-For`` and ``X-Forwarded-Proto``.

Both are believed from the proxies of ``TRUSTED_PROXIES`` alone; anybody else could write
another's address there, and use up that one's rate limit. Each proxy adds the address that
it was called from on the right, so the right-most one that is no proxy of ours is the client.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def networks(written: Sequence[str]) -> Networks:
    """Addresses and networks as settings have them. ValueError for one that is none."""
    return tuple(ip_network(network) for network in written)


def is_within(address: Address, among: Networks) -> bool:
    """An IPv4 address in an IPv6 one's form, as a socket for both has it, counts as IPv4."""
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in among)


def client_of(peer: str, forwarded: str, trusted: Networks) -> str:
    """The client's address, from the peer's and all of ``X-Forwarded-For``, joined with commas.

    What cannot be read as an address ends the search: the proxy that let it through is the client.
    """
    client = peer
    for hop in reversed(forwarded.split(",")):
        known = _read(client)
        if known is None or not is_within(known, trusted):
            break
        sent = _read(_without_port(hop.strip()))
        if sent is None:
            break
        client = str(sent)
    return client


def _read(written: str) -> Address | None:
    try:
        return ip_address(written)
    except ValueError:
        return None


def _without_port(hop: str) -> str:
    """``1.2.3.4:5`` and ``[::1]:5`` as some proxies write them."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


class Forwarded:
    """Has each request's scope name its client, by :func:`client_of`."""

    def __init__(self, app: ASGIApp, trusted: Networks) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        peer = _read(client[0]) if client else None
        if scope["type"] == "http" and peer is not None and is_within(peer, self._trusted):
            headers = Headers(scope=scope)
            forwarded = ",".join(headers.getlist("x-forwarded-for"))
            scope["client"] = (client_of(str(peer), forwarded, self._trusted), 0)
            if (scheme := headers.get("x-forwarded-proto", "").strip().lower()) in ("http", "https"):
                scope["scheme"] = scheme
        await self._app(scope, receive, send)
