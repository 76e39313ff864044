"""The placement of a collection's shards on nodes, and whether some nodes together hold all of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qdrant_client import models

ALONE = ""
"""The peer id of a server that is no cluster."""


@dataclass(frozen=True, slots=True)
class Placement:
    """``replicas``: for each shard, the state of its replica on each peer."""

    replicas: Mapping[int, Mapping[str, models.ReplicaState]]

    def whole_on(self, peers: Iterable[str]) -> bool:
        """Whether these nodes together hold every shard, and all that they hold is up to date."""
        holders = [peer for peer in peers if self.shards_of(peer)]
        return all(map(self.sound, holders)) and not self.left_out(holders)

    def shards_of(self, peer: str) -> tuple[int, ...]:
        return tuple(sorted(shard for shard, states in self.replicas.items() if peer in states))

    def sound(self, peer: str) -> bool:
        """Whether the node holds shards, and all of them are up to date."""
        held = [self.replicas[shard][peer] for shard in self.shards_of(peer)]
        return bool(held) and set(held) == {models.ReplicaState.ACTIVE}

    def left_out(self, peers: Iterable[str]) -> tuple[int, ...]:
        """The shards that none of these nodes holds."""
        return tuple(sorted(self.replicas.keys() - {each for peer in peers for each in self.shards_of(peer)}))


def placement_of(info: models.CollectionClusterInfo, here: str) -> Placement:
    """The placement as the node ``here`` reports it."""
    replicas: dict[int, dict[str, models.ReplicaState]] = {}
    for shard, peer, state in replicas_of(info):
        name = here if peer == info.peer_id else str(peer)
        replicas.setdefault(shard, {})[name] = state
    return Placement(replicas)


def replicas_of(
    info: models.CollectionClusterInfo,
) -> Iterator[tuple[int, int, models.ReplicaState]]:
    """Shard, node and state of each replica."""
    yield from ((shard.shard_id, info.peer_id, shard.state) for shard in info.local_shards)
    yield from ((shard.shard_id, shard.peer_id, shard.state) for shard in info.remote_shards)


def covering(parts: Sequence[frozenset[int]]) -> list[int]:
    """Positions of few parts that together have every shard: greedily, the one that adds most first."""
    chosen: list[int] = []
    missing = frozenset[int]().union(*parts)
    while missing:
        most = max(range(len(parts)), key=lambda position: len(parts[position] & missing))
        chosen.append(most)
        missing -= parts[most]
    return chosen
