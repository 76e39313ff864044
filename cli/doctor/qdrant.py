"""A Qdrant server or cluster: version, nodes, and the replicas of every shard, by its cluster API."""

from collections import Counter
from collections.abc import Iterator

from cli.doctor.finding import Finding, timed
from rag.errors import AegisError
from rag.settings import Settings
from rag.vectors.qdrant.cluster import cluster_state, node_state

_CLUSTER = "vectors cluster"
_REMEDY = "start the server at this address, or take it out of QDRANT_URL"
_RECOVER = "start the nodes that are missing; their shards recover by themselves"
_ALONE = "with one node a loss of its disk is a loss of the vectors: three nodes, QDRANT_REPLICATION_FACTOR=2"
_NO_RIGHTS = "see whether QDRANT_API_KEY may manage the server"


def examine(settings: Settings) -> Iterator[Finding]:
    """A finding for each address, then one on the cluster, which the first node that answers reports."""
    alive = []
    for address in settings.qdrant_addresses:
        part = f"vectors {address}"
        try:
            node, ms = timed(lambda: node_state(settings, address))  # noqa: B023 - called here
        except AegisError as error:
            yield Finding(part, "bad", str(error), _REMEDY)
        else:
            alive.append(address)
            yield Finding(part, "ok", f"Qdrant {node.version}: {node.collections} collections", ms=ms)
    if alive:
        yield _check_cluster(settings, alive[0])


def _check_cluster(settings: Settings, address: str) -> Finding:
    try:
        state, ms = timed(lambda: cluster_state(settings, address))
    except AegisError as error:
        return Finding(_CLUSTER, "bad", str(error), _NO_RIGHTS)
    counts = sorted(Counter(state.replicas).items())
    replicas = ", ".join(f"{count} replicas {each.lower()}" for each, count in counts) or "no shards"
    text = f"{state.nodes} node{'s' * (state.nodes != 1)}, {replicas}"
    if state.trouble:
        return Finding(_CLUSTER, "bad", f"{text}; {'; '.join(state.trouble)}", _RECOVER, ms)
    if state.nodes == 1:
        return Finding(_CLUSTER, "note", text, _ALONE, ms)
    return Finding(_CLUSTER, "ok", text, ms=ms)
