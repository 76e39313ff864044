"""A Qdrant server or cluster: version, nodes, and every shard's replicas, through its cluster API."""

from collections import Counter
from collections.abc import Iterator, Sequence

from cli.examination.finding import Finding, State, timed
from rag.errors import AegisError
from rag.settings import Settings
from rag.stores.vectors.qdrant.cluster import ClusterState, NodeState, cluster_state, node_state

_REMEDY = "start the server at this address, or take it out of QDRANT_URL"


def examine(settings: Settings) -> Iterator[Finding]:
    """A finding an address, then one on the cluster by the first node that answers."""
    alive = []
    for address in settings.qdrant_addresses:
        part = f"vectors {address}"
        try:
            node, ms = timed(lambda: node_state(settings, address))  # noqa: B023 - called here
        except AegisError as error:
            yield Finding(part, "bad", str(error), _REMEDY)
        else:
            alive.append(address)
            yield Finding(part, "ok", _of_node(node), ms=ms)
    if alive:
        yield _cluster(settings, alive[0])


def _of_node(node: NodeState) -> str:
    return f"Qdrant {node.version}: {node.collections} collections"


def _cluster(settings: Settings, address: str) -> Finding:
    try:
        state, ms = timed(lambda: cluster_state(settings, address))
    except AegisError as error:
        return Finding(
            "vectors cluster", "bad", str(error), "see whether QDRANT_API_KEY may manage the server"
        )
    return _judged(state, ms)


def _judged(state: ClusterState, ms: float) -> Finding:
    text = f"{state.nodes} node{'s' * (state.nodes != 1)}, {_replicas(state.replicas)}"
    if state.trouble:
        return Finding("vectors cluster", "bad", f"{text}; {'; '.join(state.trouble)}", _RECOVER, ms)
    word: State = "ok" if state.nodes > 1 else "note"
    return Finding("vectors cluster", word, text, "" if state.nodes > 1 else _ALONE, ms)


_RECOVER = "start the nodes that are missing; their shards recover by themselves"
_ALONE = "with one node a loss of its disk is a loss of the vectors: three nodes, QDRANT_REPLICATION_FACTOR=2"


def _replicas(states: Sequence[str]) -> str:
    counted = Counter(states)
    return (
        ", ".join(f"{count} replicas {state.lower()}" for state, count in sorted(counted.items()))
        or "no shards"
    )
