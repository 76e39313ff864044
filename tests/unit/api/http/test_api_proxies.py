"""Whose request it is, from what proxies say."""

import pytest
from pydantic import ValidationError

from api.http.proxies import client_of, networks
from rag.settings import Settings

TRUSTED = networks(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "10.0.0.9, 10.0.0.8", "10.0.0.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9, unknown", "127.0.0.1"),
        ("127.0.0.1", "x" * 10_000, "127.0.0.1"),
        ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
    ],
)
def test_the_client_is_the_rightmost_that_is_no_proxy_of_ours(peer, forwarded, client):
    assert client_of(peer, forwarded, TRUSTED) == client


def test_nobody_is_believed_without_the_setting():
    assert client_of("127.0.0.1", "198.51.100.1", ()) == "127.0.0.1"


@pytest.mark.parametrize("network", ["proxy.example", "10.0.0.1/8", "*", ""])
def test_what_is_no_network_stops_the_start(network):
    with pytest.raises(ValidationError, match="TRUSTED_PROXIES"):
        Settings(trusted_proxies=(network,))


def test_room_for_bodies_is_room_for_two_of_the_largest():
    with pytest.raises(ValidationError, match=r"MAX_BODIES_MB \(401\) must be 402 at least"):
        Settings(max_upload_mb=200, max_bodies_mb=401)
    assert Settings(max_upload_mb=200).bodies_mb == 1024
    assert Settings(max_upload_mb=1000).bodies_mb == 4004
