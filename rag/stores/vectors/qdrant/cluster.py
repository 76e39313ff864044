"""How a Qdrant server or cluster is, by its service and distributed API.

https://api.qdrant.tech/api-reference/distributed: ``GET /cluster`` and ``GET /collections/NAME/cluster``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from qdrant_client import QdrantClient, models

from rag.settings import Settings
from rag.stores.vectors.qdrant.connection import nodes_of
from rag.stores.vectors.qdrant.layout import is_ours
from rag.stores.vectors.qdrant.placement import replicas_of

T = TypeVar("T")

_SERVING = {models.ReplicaState.ACTIVE, models.ReplicaState.ACTIVEREAD, models.ReplicaState.LISTENER}


@dataclass(frozen=True, slots=True)
class NodeState:
    version: str
    collections: int


@dataclass(frozen=True, slots=True)
class ClusterState:
    """``replicas``: the state of every replica of every shard of our collections, such as "Active".

    ``trouble``: what keeps it from being whole, a line each.
    """

    nodes: int
    replicas: tuple[str, ...]
    trouble: tuple[str, ...]


def node_state(settings: Settings, address: str) -> NodeState:
    """Of the server at ``address``, one of QDRANT_URL's. Unavailable without an answer."""

    def asked(client: QdrantClient) -> NodeState:
        return NodeState(client.info().version, len(client.get_collections().collections))

    return _asked(settings, address, asked)


def cluster_state(settings: Settings, address: str) -> ClusterState:
    """As the node at ``address`` knows it. Unavailable without an answer."""
    return _asked(settings, address, _read)


def _asked(settings: Settings, address: str, ask: Callable[[QdrantClient], T]) -> T:
    """Over HTTP, which has all of it, and once."""
    alone = settings.model_copy(update={"qdrant_url": address, "qdrant_grpc": False})
    nodes = nodes_of(alone)
    try:
        return nodes.call(ask, 0.0)
    finally:
        nodes.close()


def _read(client: QdrantClient) -> ClusterState:
    names = [one.name for one in client.get_collections().collections]
    ours = [name for name in names if is_ours(client.get_collection(name))]
    replicas = [
        (name, *replica) for name in ours for replica in replicas_of(client.collection_cluster_info(name))
    ]
    lame = (
        f"{name}: shard {shard} is {state.value} on node {node}"
        for name, shard, node, state in replicas
        if state not in _SERVING
    )
    peers, deaf = _peers(client.cluster_status())
    return ClusterState(
        nodes=peers,
        replicas=tuple(state.value for *_, state in replicas),
        trouble=(*deaf, *lame),
    )


def _peers(status: models.ClusterStatus) -> tuple[int, tuple[str, ...]]:
    """How many nodes there are, and what is wrong between them. A server by itself says "disabled"."""
    if not isinstance(status, models.ClusterStatusOneOf1):
        return 1, ()
    return len(status.peers), tuple(_deaf(status))


def _deaf(status: models.ClusterStatusOneOf1) -> Iterator[str]:
    for uri, failures in status.message_send_failures.items():
        yield f"node {uri} does not answer the others ({failures.count} messages failed)"
    if status.raft_info.leader is None:
        yield "the nodes have no leader: more than half of them are away"
