"""The client of a request that a proxy forwards: ``X-Forwarded-For`` and ``X-Forwarded-Proto``.

Both are believed from the proxies of ``TRUSTED_PROXIES`` only: anybody else could write another client's
address there and use up its rate limit. Each proxy appends the address that called it, so the right-most
address that is not a trusted proxy is the client.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def networks(written: Sequence[str]) -> Networks:
    """Addresses and networks as settings have them. ValueError for one that is none."""
    return tuple(ip_network(network) for network in written)


def is_within(address: Address, among: Networks) -> bool:
    """Whether ``address`` is in one of the networks.

    A socket for both versions writes IPv4 addresses as ``::ffff:1.2.3.4``: these count as IPv4.
    """
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in among)


def client_of(peer: str, forwarded: str, trusted: Networks) -> str:
    """The client's address, from the peer's and all of ``X-Forwarded-For``, joined with commas.

    Something that is no address ends the search: the proxy that let it through is the client.
    """
    client = peer
    for hop in map(str.strip, reversed(forwarded.split(","))):
        known = _parse(client)
        if known is None or not is_within(known, trusted):
            break
        # Some proxies write a port too: 1.2.3.4:5 or [::1]:5.
        if hop.startswith("["):
            sent = _parse(hop[1:].partition("]")[0])
        else:
            sent = _parse(hop.partition(":")[0] if hop.count(":") == 1 else hop)
        if sent is None:
            break
        client = str(sent)
    return client


def _parse(written: str) -> Address | None:
    try:
        return ip_address(written)
    except ValueError:
        return None


@dataclass(eq=False, slots=True)
class Forwarded:
    """Makes each request's scope name its client, by :func:`client_of`."""

    app: ASGIApp
    trusted: Networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        peer = _parse(client[0]) if client else None
        if scope["type"] == "http" and peer is not None and is_within(peer, self.trusted):
            headers = Headers(scope=scope)
            forwarded = ",".join(headers.getlist("x-forwarded-for"))
            scope["client"] = (client_of(str(peer), forwarded, self.trusted), 0)
            if (scheme := headers.get("x-forwarded-proto", "").strip().lower()) in ("http", "https"):
                scope["scheme"] = scheme
        await self.app(scope, receive, send)
