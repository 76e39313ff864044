"""Who waits gives way; who works does not; nobody has all the connections."""

import asyncio
from dataclasses import dataclass

from api.http.connections import Bounds, Connections
from api.http.proxies import networks


@dataclass(eq=False)
class Peer:
    address: str | None
    gone: bool = False

    def give_way(self) -> None:
        self.gone = True

    def check(self, now: float) -> None:
        """Nothing is too late here."""


def admitted(connections: Connections, *peers: Peer) -> list[bool]:
    loop = asyncio.new_event_loop()
    try:
        return [connections.admit(peer, loop) for peer in peers]
    finally:
        loop.close()


def test_the_longest_waiting_gives_way() -> None:
    connections = Connections(Bounds(connections=3))
    first, second, third, fourth = (Peer(f"192.0.2.{n}") for n in range(4))
    admitted(connections, first, second, third)
    connections.waits(first)  # it was answered, and waits anew

    assert admitted(connections, fourth) == [True]
    assert [peer.gone for peer in (first, second, third, fourth)] == [False, True, False, False]


def test_who_works_stays_and_new_ones_are_refused() -> None:
    connections = Connections(Bounds(connections=2))
    working = [Peer(f"192.0.2.{n}") for n in range(2)]
    admitted(connections, *working)
    for peer in working:
        connections.works(peer)

    assert admitted(connections, Peer("192.0.2.9")) == [False]
    assert not any(peer.gone for peer in working)
    connections.forget(working[0])
    assert admitted(connections, Peer("192.0.2.9")) == [True]


def test_one_address_has_half_of_them_unless_it_is_a_proxy() -> None:
    bounds = Bounds(connections=8, proxies=networks(["10.0.0.0/8"]))
    for address, open_ in (("192.0.2.1", 4), ("10.0.0.1", 8), ("::ffff:10.0.0.1", 8), (None, 8)):
        connections = Connections(bounds)
        peers = [Peer(address) for _ in range(8)]
        for peer in peers:
            if admitted(connections, peer) == [True]:
                connections.works(peer)

        assert len(connections.open) == open_


def test_a_crowded_address_loses_its_own() -> None:
    connections = Connections(Bounds(connections=4))
    other, *own = Peer("192.0.2.1"), Peer("192.0.2.2"), Peer("192.0.2.2"), Peer("192.0.2.2")

    assert admitted(connections, other, *own) == [True] * 4
    assert [peer.gone for peer in (other, *own)] == [False, True, False, False]


def test_answers_that_are_not_read_have_a_budget() -> None:
    """Whoever holds most of it loses what was unread longest; who reads is left alone."""
    connections = Connections(Bounds(unread=100))
    honest, reading, *greedy = Peer("192.0.2.1"), Peer("192.0.2.2"), *(Peer("192.0.2.2") for _ in range(3))
    admitted(connections, honest, reading, *greedy)
    connections.stops_reading(honest, 30)
    connections.stops_reading(reading, 60)
    connections.reads(reading)
    for peer in greedy:
        connections.stops_reading(peer, 35)

    assert [peer.gone for peer in (honest, reading, *greedy)] == [False, False, True, False, False]
    for peer in (honest, *greedy):
        connections.forget(peer)
    connections.stops_reading(reading, 999)
    assert not reading.gone  # the only one
    connections.forget(reading)
    assert not connections.unread
    assert not connections._unread_by_address
