"""Which addresses documents are fetched from, to the edges of every row of the table."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from rag.fetching.addresses import SPECIAL, Reach, bare, reach_of

PUBLIC_ROWS = [prefix for prefix, reach, _ in SPECIAL if reach is Reach.PUBLIC]
INNER_ROWS = [(prefix, reach) for prefix, reach, _ in SPECIAL if reach is not Reach.PUBLIC]
WRAPPING = ("::ffff:0:0/96", "64:ff9b::/96")


def edges(prefix: str) -> list[IPv4Address | IPv6Address]:
    network = ip_network(prefix)
    return [network[0], network[network.num_addresses // 2], network[-1]]


def beyond(prefix: str) -> list[IPv4Address | IPv6Address]:
    """The addresses right before and behind."""
    network = ip_network(prefix)
    family = type(network[0])
    first, last = int(network[0]), int(network[-1])
    most = 2**network.max_prefixlen - 1
    return [family(n) for n in (first - 1, last + 1) if 0 <= n <= most]


@pytest.mark.parametrize(("prefix", "reach"), INNER_ROWS)
def test_a_row_holds_from_its_first_address_to_its_last(prefix, reach):
    assert all(reach_of(address) >= reach for address in edges(prefix)) or prefix == "::/96"


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("9.255.255.255", Reach.PUBLIC), ("11.0.0.0", Reach.PUBLIC), ("1.0.0.0", Reach.PUBLIC),
        ("100.63.255.255", Reach.PUBLIC), ("100.128.0.0", Reach.PUBLIC), ("126.255.255.255", Reach.PUBLIC),
        ("128.0.0.0", Reach.PUBLIC), ("169.253.255.255", Reach.PUBLIC), ("169.255.0.0", Reach.PUBLIC),
        ("172.15.255.255", Reach.PUBLIC), ("172.32.0.0", Reach.PUBLIC), ("191.255.255.255", Reach.PUBLIC),
        ("192.0.1.0", Reach.PUBLIC), ("192.0.1.255", Reach.PUBLIC), ("192.0.3.0", Reach.PUBLIC),
        ("192.88.98.255", Reach.PUBLIC), ("192.88.100.0", Reach.PUBLIC), ("192.167.255.255", Reach.PUBLIC),
        ("192.169.0.0", Reach.PUBLIC), ("198.17.255.255", Reach.PUBLIC), ("198.20.0.0", Reach.PUBLIC),
        ("198.51.99.255", Reach.PUBLIC), ("198.51.101.0", Reach.PUBLIC), ("203.0.112.255", Reach.PUBLIC),
        ("203.0.114.0", Reach.PUBLIC), ("223.255.255.255", Reach.PUBLIC),
        ("168.63.129.15", Reach.PUBLIC), ("168.63.129.17", Reach.PUBLIC),
        ("100.100.100.199", Reach.PRIVATE), ("100.100.100.201", Reach.PRIVATE),
        ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach.CLOSED), ("2000::", Reach.PUBLIC),
        ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach.PUBLIC), ("2001:200::", Reach.PUBLIC),
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", Reach.PUBLIC), ("2001:db9::", Reach.PUBLIC),
        ("2003::", Reach.PUBLIC), ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach.PUBLIC),
        ("3fff:1000::", Reach.PUBLIC), ("3fff:ffff::", Reach.PUBLIC), ("4000::", Reach.CLOSED),
        ("fbff:ffff::", Reach.CLOSED), ("fc00::", Reach.PRIVATE), ("fdff:ffff::", Reach.PRIVATE),
        ("fd00:ec1:ffff::", Reach.PRIVATE), ("fd00:ec3::", Reach.PRIVATE),
        ("fd20:ce::253", Reach.PRIVATE), ("fd20:ce::255", Reach.PRIVATE), ("fe00::", Reach.CLOSED),
        ("::1", Reach.PRIVATE), ("::", Reach.CLOSED), ("::2", Reach.CLOSED),
    ],
)  # fmt: skip
def test_next_to_a_row_its_neighbour_holds(address, reach):
    assert reach_of(ip_address(address)) is reach


def test_every_row_ends_where_it_says():
    """An address beside a row is judged by other rows alone."""
    networks = [ip_network(prefix) for prefix, _, _ in SPECIAL]
    for prefix, _ in INNER_ROWS:
        for address in beyond(prefix):
            others = [n for n in networks if address in n and n != ip_network(prefix)]
            if not others and (address.version == 4 or address in ip_network("2000::/3")):
                assert reach_of(address) is Reach.PUBLIC, (prefix, address)


@pytest.mark.parametrize("prefix", [p for p in PUBLIC_ROWS if p not in WRAPPING])
def test_services_of_the_open_internet_are_public(prefix):
    assert {reach_of(address) for address in edges(prefix)} == {Reach.PUBLIC}


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_open_addresses_may_be_asked(address):
    assert reach_of(ip_address(address)) is Reach.PUBLIC


@pytest.mark.parametrize(("prefix", "reach"), [row for row in INNER_ROWS if ":" not in row[0]])
@pytest.mark.parametrize(
    "wrapper", ["::ffff:0:0", "64:ff9b::", "2a00:1::5efe:0:0", "2a00:1::200:5efe:0:0", "fd00::5efe:0:0"]
)
def test_an_ipv4_address_is_judged_through_what_wraps_it(wrapper, prefix, reach):
    for inner in edges(prefix):
        assert reach_of(IPv6Address(int(ip_address(wrapper)) + int(inner))) >= reach


@pytest.mark.parametrize(
    "address",
    [
        "::127.0.0.1",  # IPv4-compatible
        "::5db8:d822",
        "2002:7f00:1::",  # 6to4
        "2002:5db8:d822::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        "64:ff9b:1::7f00:1",  # local-use NAT64, of each length of prefix
        "64:ff9b:1:7f00:0:100::",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "64:ff9a:ffff::",
        "64:ff9b:0:0:0:1::",
        "64:ff9b:2::",
        "::fffe:7f00:1",
        "::ffff:0:7f00:1",  # IPv4-translated
        "fec0::1",
    ],
)
def test_deprecated_and_formless_wrappings_are_closed(address):
    assert reach_of(ip_address(address)) is Reach.CLOSED


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "100.100.100.200", "168.63.129.16", "192.0.0.192", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "fd00::5efe:169.254.169.254", "0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255",
    ],
)  # fmt: skip
def test_metadata_and_what_is_no_host_stays_closed(address):
    assert reach_of(ip_address(address)) is Reach.CLOSED


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "fd12::1",
        "::ffff:127.0.0.1",
    ],
)
def test_private_addresses_depend_on_the_setting(address):
    assert reach_of(ip_address(address)) is Reach.PRIVATE


def test_a_mapped_address_is_asked_as_what_it_maps():
    assert bare(ip_address("::ffff:127.0.0.1")) == ip_address("127.0.0.1")
    assert bare(ip_address("fd12::1")) == ip_address("fd12::1")
