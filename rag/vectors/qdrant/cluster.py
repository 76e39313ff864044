"""The state of a Qdrant server or cluster, and the placement of a collection's shards on its nodes.

https://api.qdrant.tech/api-reference/distributed: ``GET /cluster`` and ``GET /collections/NAME/cluster``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from qdrant_client import QdrantClient, models

from rag.settings import Settings
from rag.vectors.qdrant.layouts import is_ours
from rag.vectors.qdrant.nodes import nodes_of

T = TypeVar("T")

_SERVING = {models.ReplicaState.ACTIVE, models.ReplicaState.ACTIVEREAD, models.ReplicaState.LISTENER}

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
    """Positions of a few parts that together have every shard. Greedy: the part that adds most is next."""
    chosen: list[int] = []
    missing = frozenset[int]().union(*parts)
    while missing:
        most = max(range(len(parts)), key=lambda position: len(parts[position] & missing))
        chosen.append(most)
        missing -= parts[most]
    return chosen


@dataclass(frozen=True, slots=True)
class NodeState:
    version: str
    collections: int


@dataclass(frozen=True, slots=True)
class ClusterState:
    """``replicas``: the state of every replica of every shard of our collections, such as "Active".

    ``trouble``: a line for each fault.
    """

    nodes: int
    replicas: tuple[str, ...]
    trouble: tuple[str, ...]


def node_state(settings: Settings, address: str) -> NodeState:
    """The state of the server at ``address``, one of QDRANT_URL's. Unavailable without an answer."""

    def read(client: QdrantClient) -> NodeState:
        return NodeState(client.info().version, len(client.get_collections().collections))

    return _ask(settings, address, read)


def cluster_state(settings: Settings, address: str) -> ClusterState:
    """The state of the cluster as the node at ``address`` knows it. Unavailable without an answer."""
    return _ask(settings, address, _read_cluster)


def _ask(settings: Settings, address: str, read: Callable[[QdrantClient], T]) -> T:
    # over HTTP, since gRPC lacks parts of these APIs; without retries
    nodes = nodes_of(settings.model_copy(update={"qdrant_url": address, "qdrant_grpc": False}))
    try:
        return nodes.call(read, 0.0)
    finally:
        nodes.close()


def _read_cluster(client: QdrantClient) -> ClusterState:
    names = [one.name for one in client.get_collections().collections]
    ours = [name for name in names if is_ours(client.get_collection(name))]
    replicas = [
        (name, *replica) for name in ours for replica in replicas_of(client.collection_cluster_info(name))
    ]
    nodes, trouble = 1, []
    status = client.cluster_status()
    if isinstance(status, models.ClusterStatusOneOf1):  # else it is a server that is no cluster
        nodes = len(status.peers)
        for uri, failures in status.message_send_failures.items():
            trouble.append(f"node {uri} does not answer the others ({failures.count} messages failed)")
        if status.raft_info.leader is None:
            trouble.append("the nodes have no leader: more than half of them are away")
    trouble += [
        f"{name}: shard {shard} is {state.value} on node {node}"
        for name, shard, node, state in replicas
        if state not in _SERVING
    ]
    return ClusterState(nodes, tuple(state.value for *_, state in replicas), tuple(trouble))
