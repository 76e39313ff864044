"""What a node of the stand-in for Qdrant has for itself: its shards and its snapshots. For tests only."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qdrant_client import models

from tests.qdrantarchive import packed, unpacked
from tests.qdrantlocal import LocalQdrant, failed


@dataclass
class Shards:
    """Which nodes hold which shards of every collection: peer and state by shard."""

    states: dict[int, dict[int, models.ReplicaState]]
    peers: set[int]


class Node:
    """``creating``: the collections of which it is making snapshots, as it says."""

    def __init__(self, local: LocalQdrant, peer: int, cluster: Shards | None) -> None:
        self.local, self.peer, self.cluster = local, peer, cluster
        self.shards = cluster or Shards({0: {peer: models.ReplicaState.ACTIVE}}, {peer})
        self.snapshots: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.creating: set[str] = set()


def _shards(node: Node, _body: bytes, name: str) -> models.CollectionClusterInfo:
    points = node.local.count(name, None).count
    states = node.shards.states
    return models.CollectionClusterInfo(
        peer_id=node.peer,
        shard_count=len(states),
        local_shards=[
            models.LocalShardInfo(shard_id=shard, points_count=points, state=held[node.peer])
            for shard, held in states.items()
            if node.peer in held
        ],
        remote_shards=[
            models.RemoteShardInfo(shard_id=shard, peer_id=peer, state=state)
            for shard, held in states.items()
            for peer, state in held.items()
            if peer != node.peer
        ],
        shard_transfers=[],
    )


def _cluster(node: Node, _body: bytes) -> Any:
    if node.cluster is None:
        return {"status": "disabled"}
    return models.ClusterStatusOneOf1(
        status="enabled",
        peer_id=node.peer,
        peers={str(peer): models.PeerInfo(uri=f"http://node{peer}:6335") for peer in node.cluster.peers},
        raft_info=models.RaftInfo(term=1, commit=1, pending_operations=0, leader=1, is_voter=True),
        consensus_thread_status=models.ConsensusThreadStatusOneOf1(consensus_thread_status="stopped"),
        message_send_failures={},
    )


def _telemetry(node: Node, _body: bytes) -> Any:
    running = [{"id": name, "running_snapshots": 1} for name in node.creating]
    return {"collections": {"snapshots": running}}


def _listed(node: Node, _body: bytes, name: str) -> list[models.SnapshotDescription]:
    node.local.get_collection(name)
    return [
        models.SnapshotDescription(name=one, size=len(data)) for one, data in node.snapshots[name].items()
    ]


def _snapshot(node: Node, _body: bytes, name: str) -> models.SnapshotDescription:
    states = node.shards.states
    held = [shard for shard, peers in states.items() if node.peer in peers]
    data = packed(node.local, name, held, len(states))
    made = f"{name}-{node.peer}-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}.snapshot"
    node.snapshots[name][made] = data
    return models.SnapshotDescription(name=made, size=len(data))


def _recover(node: Node, body: bytes, name: str) -> bool:
    """As multipart/form-data with one file."""
    head, _, rest = body.partition(b"\r\n\r\n")
    boundary = head.partition(b"\r\n")[0]
    data = rest[: rest.rindex(b"\r\n" + boundary)]
    node.snapshots[name][head.partition(b'filename="')[2].partition(b'"')[0].decode()] = data
    try:
        found = unpacked(node.local, name, data)
    except ValueError as error:
        raise failed(500, f"Service internal error: {error}") from error
    for shard in found:
        node.shards.states[shard].setdefault(node.peer, models.ReplicaState.ACTIVE)
    return True


def _snapshot_bytes(node: Node, _body: bytes, name: str, snapshot: str) -> bytes:
    node.local.get_collection(name)
    if snapshot not in node.snapshots[name]:
        raise failed(404, f"Not found: Snapshot {snapshot}")
    return node.snapshots[name][snapshot]


def _remove(node: Node, body: bytes, name: str, snapshot: str) -> bool:
    _snapshot_bytes(node, body, name, snapshot)
    del node.snapshots[name][snapshot]
    return True


_ONE = r"/collections/([^/]+)"
ROUTES: dict[tuple[str, re.Pattern[str]], Callable[..., Any]] = {
    ("GET", re.compile("/cluster")): _cluster,
    ("GET", re.compile("/telemetry")): _telemetry,
    ("GET", re.compile(_ONE + "/cluster")): _shards,
    ("GET", re.compile(_ONE + "/snapshots")): _listed,
    ("POST", re.compile(_ONE + "/snapshots")): _snapshot,
    ("POST", re.compile(_ONE + "/snapshots/upload")): _recover,
    ("GET", re.compile(_ONE + "/snapshots/([^/]+)")): _snapshot_bytes,
    ("DELETE", re.compile(_ONE + "/snapshots/([^/]+)")): _remove,
}
