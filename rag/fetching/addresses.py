"""Says which addresses documents may be fetched from.

The table is our own, since what :mod:`ipaddress` calls global changes from one Python to the next. It
lists the IANA registries of special-purpose addresses, IPv4 and IPv6, as of 2025-10-09
(https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry), multicast, and where clouds
keep the credentials of their machines. Of several rows that hold an address the strictest counts.
"""

from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address


class Reach(IntEnum):
    """PUBLIC: the open internet; PRIVATE: only with FETCH_PRIVATE_ADDRESSES; CLOSED: never."""

    PUBLIC = 0
    PRIVATE = 1
    CLOSED = 2


_PUBLIC, _PRIVATE, _CLOSED = Reach

SPECIAL: tuple[tuple[str, Reach, str], ...] = (
    # --- IPv4
    ("0.0.0.0/8", _CLOSED, "this network"),
    ("10.0.0.0/8", _PRIVATE, "private use"),
    ("100.64.0.0/10", _PRIVATE, "shared address space"),
    ("127.0.0.0/8", _PRIVATE, "loopback"),
    ("169.254.0.0/16", _CLOSED, "link local, metadata of most clouds"),
    ("172.16.0.0/12", _PRIVATE, "private use"),
    ("192.0.0.0/24", _CLOSED, "IETF protocol assignments: answered by the nearest router"),
    ("192.0.2.0/24", _CLOSED, "documentation (TEST-NET-1)"),
    ("192.31.196.0/24", _PUBLIC, "AS112-v4"),
    ("192.52.193.0/24", _PUBLIC, "AMT"),
    ("192.88.99.0/24", _CLOSED, "deprecated 6to4 relay anycast"),
    ("192.168.0.0/16", _PRIVATE, "private use"),
    ("192.175.48.0/24", _PUBLIC, "direct delegation AS112 service"),
    ("198.18.0.0/15", _PRIVATE, "benchmarking"),
    ("198.51.100.0/24", _CLOSED, "documentation (TEST-NET-2)"),
    ("203.0.113.0/24", _CLOSED, "documentation (TEST-NET-3)"),
    ("224.0.0.0/4", _CLOSED, "multicast"),
    ("240.0.0.0/4", _CLOSED, "reserved, and limited broadcast"),
    # --- IPv6
    ("::/96", _CLOSED, "unspecified, and the deprecated IPv4-compatible addresses"),
    ("::1/128", _PRIVATE, "loopback"),
    ("::ffff:0:0/96", _PUBLIC, "IPv4-mapped: judged as what it maps"),
    ("64:ff9b::/96", _PUBLIC, "translation from IPv4: judged as what it translates"),
    ("64:ff9b:1::/48", _CLOSED, "local-use translation from IPv4, of no fixed form"),
    ("100::/64", _CLOSED, "discard only"),
    ("100:0:0:1::/64", _CLOSED, "dummy prefix"),
    ("2001::/23", _CLOSED, "IETF protocol assignments: Teredo, benchmarking, ORCHID, anycast"),
    ("2001:db8::/32", _CLOSED, "documentation"),
    ("2002::/16", _CLOSED, "6to4, a deprecated tunnel to an IPv4 address"),
    ("2620:4f:8000::/48", _PUBLIC, "direct delegation AS112 service"),
    ("3fff::/20", _CLOSED, "documentation"),
    ("5f00::/16", _CLOSED, "segment routing"),
    ("fc00::/7", _PRIVATE, "unique local"),
    ("fe80::/10", _CLOSED, "link local"),
    ("fec0::/10", _CLOSED, "deprecated site local"),
    ("ff00::/8", _CLOSED, "multicast"),
    # --- metadata services
    ("100.100.100.200/32", _CLOSED, "Alibaba's"),
    ("168.63.129.16/32", _CLOSED, "Azure's, on a public address"),
    ("192.0.0.192/32", _CLOSED, "Oracle's"),
    ("fd00:ec2::/32", _CLOSED, "Amazon's: metadata, names, time, credentials of pods"),
    ("fd20:ce::254/128", _CLOSED, "Google's"),
)
"""Prefix, reach, and the name of its row."""

_ASSIGNED = IPv6Network("2000::/3")
"""IANA assigns addresses from here; elsewhere only what a row calls public is public."""

_LOOPBACK6 = IPv6Address("::1")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (bytes.fromhex("00005efe"), bytes.fromhex("02005efe"))
_ROWS: tuple[tuple[IPv4Network | IPv6Network, Reach], ...] = tuple(
    (ip_network(prefix), reach) for prefix, reach, _ in SPECIAL
)


def reach_of(address: Address) -> Reach:
    """The reach of an address; an IPv4 address inside an IPv6 one counts too, and the stricter wins."""
    if address == _LOOPBACK6:
        return Reach.PRIVATE
    own = max((reach for network, reach in _ROWS if address in network), default=None)
    if isinstance(address, IPv4Address):
        return own or Reach.PUBLIC
    if own is None:
        own = Reach.PUBLIC if address in _ASSIGNED else Reach.CLOSED
    # RFC 4291 (2.5.5.2), RFC 6052, RFC 5214 (6.1): the last four bytes are an IPv4 address.
    if address in _MAPPED or address in _NAT64 or address.packed[8:12] in _ISATAP:
        return max(own, reach_of(IPv4Address(address.packed[-4:])))
    return own


def bare(address: Address) -> Address:
    """An IPv4-mapped address as the IPv4 address that a connection to it reaches."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
