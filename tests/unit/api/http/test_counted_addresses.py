"""Whose share is whose: an IPv6 caller has a whole /64 of addresses."""

import pytest

from api.http.connections import Bounds, Connections
from rag.web.addresses import counted_as
from tests.unit.api.http.test_api_connections import Peer, admitted


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("local", "local"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_by_its_network(address: str, share: str) -> None:
    assert counted_as(address) == share


def test_one_network_has_half_of_the_connections() -> None:
    connections = Connections(Bounds(connections=8))
    peers = [Peer(f"2001:db8::{n:x}") for n in range(8)]
    for peer in peers:
        if admitted(connections, peer) == [True]:
            connections.works(peer)

    assert len(connections.open) == 4
    assert admitted(connections, Peer("2001:db8:0:1::1")) == [True]
    for peer in peers:
        connections.forget(peer)
    assert admitted(connections, Peer("2001:db8::9")) == [True]
