"""The state of a Qdrant server or cluster, by its service and distributed APIs.

https://api.qdrant.tech/api-reference/distributed: ``GET /cluster`` and ``GET /collections/NAME/cluster``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from qdrant_client import QdrantClient, models

from rag.settings import Settings
from rag.stores.vectors.qdrant.layouts import is_ours
from rag.stores.vectors.qdrant.nodes import nodes_of
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
    return _ask(settings, address, _read)


def _ask(settings: Settings, address: str, read: Callable[[QdrantClient], T]) -> T:
    # over HTTP, since gRPC lacks parts of these APIs; without retries
    nodes = nodes_of(settings.model_copy(update={"qdrant_url": address, "qdrant_grpc": False}))
    try:
        return nodes.call(read, 0.0)
    finally:
        nodes.close()


def _read(client: QdrantClient) -> ClusterState:
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
