"""What `aegis doctor` makes of a Qdrant cluster's own account of itself."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from qdrant_client import models

from cli.doctor import qdrant
from rag.settings import Settings
from rag.vectors.qdrant import cluster
from rag.vectors.qdrant.cluster import NodeState, cluster_state

ACTIVE, DEAD = models.ReplicaState.ACTIVE, models.ReplicaState.DEAD
ADDRESS = "http://qdrant-0:6333"


class Told:
    """A client of a cluster of three nodes with one shard on two of them."""

    def __init__(
        self, second: models.ReplicaState = ACTIVE, *, leader: int | None = 1, failed: int = 0
    ) -> None:
        self._second, self._leader, self._failed = second, leader, failed

    def cluster_status(self) -> models.ClusterStatus:
        failures = {}
        if self._failed:
            failures["http://qdrant-1:6335"] = models.MessageSendErrors(count=self._failed)
        return models.ClusterStatusOneOf1(
            status="enabled",
            peer_id=1,
            peers={str(peer): models.PeerInfo(uri=f"http://qdrant-{peer}:6335") for peer in range(3)},
            raft_info=models.RaftInfo(
                term=1, commit=1, pending_operations=0, leader=self._leader, is_voter=True
            ),
            consensus_thread_status=models.ConsensusThreadStatusOneOf1(consensus_thread_status="stopped"),
            message_send_failures=failures,
        )

    def get_collections(self) -> Any:
        return SimpleNamespace(collections=[SimpleNamespace(name="docs-1")])

    def get_collection(self, _name: str) -> None:
        """What is in it does not matter here."""

    def collection_cluster_info(self, _name: str) -> models.CollectionClusterInfo:
        return models.CollectionClusterInfo(
            peer_id=0,
            shard_count=1,
            local_shards=[models.LocalShardInfo(shard_id=0, points_count=5, state=ACTIVE)],
            remote_shards=[models.RemoteShardInfo(shard_id=0, peer_id=1, state=self._second)],
            shard_transfers=[],
        )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Have the cluster be like this."""
    monkeypatch.setattr(cluster, "is_ours", lambda _info: True)

    def be(client: Told) -> Settings:
        nodes = SimpleNamespace(call=lambda ask, _patience: ask(client), close=lambda: None)
        monkeypatch.setattr(cluster, "nodes_of", lambda _settings: nodes)
        return Settings(qdrant_url=ADDRESS)

    return be


def test_a_whole_cluster_is_well(told: Any) -> None:
    state = cluster_state(told(Told()), ADDRESS)

    assert (state.nodes, state.replicas, state.trouble) == (3, ("Active", "Active"), ())


@pytest.mark.parametrize(
    ("client", "trouble"),
    [
        (Told(DEAD), "docs-1: shard 0 is Dead on node 1"),
        (Told(failed=7), "node http://qdrant-1:6335 does not answer the others (7 messages failed)"),
        (Told(leader=None), "the nodes have no leader: more than half of them are away"),
    ],
)
def test_what_is_wrong_with_it_is_said(
    told: Any, monkeypatch: pytest.MonkeyPatch, client: Told, trouble: str
) -> None:
    settings = told(client)
    monkeypatch.setattr(qdrant, "node_state", lambda *_: NodeState("1.18.0", 1))

    *_, finding = qdrant.examine(settings)

    assert finding.state == "bad"
    assert trouble in finding.text
    assert finding.text.startswith("3 nodes, ")
    assert finding.remedy
