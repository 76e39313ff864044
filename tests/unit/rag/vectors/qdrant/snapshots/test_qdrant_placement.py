"""Which nodes' snapshots have every shard, and whose a snapshot is."""

import pytest
from qdrant_client import models

from rag.model import SnapshotFile
from rag.vectors.qdrant.cluster import Placement, covering, placement_of
from rag.vectors.qdrant.snapshots.claims import Claim, owned

ACTIVE, DEAD = models.ReplicaState.ACTIVE, models.ReplicaState.DEAD
OURS = Claim(files=(SnapshotFile("docs-1", "1", "0,1/ours", 5),))


def placed(*, second: models.ReplicaState = ACTIVE) -> Placement:
    """Shard 0 on nodes 1 and 2, shard 1 on 2 and 3."""
    return Placement({0: {"1": ACTIVE, "2": second}, 1: {"2": ACTIVE, "3": ACTIVE}})


def test_a_node_tells_of_its_own_replicas_and_of_the_others() -> None:
    info = models.CollectionClusterInfo(
        peer_id=7,
        shard_count=2,
        local_shards=[models.LocalShardInfo(shard_id=1, points_count=5, state=ACTIVE)],
        remote_shards=[models.RemoteShardInfo(shard_id=0, peer_id=8, state=DEAD)],
        shard_transfers=[],
    )
    assert placement_of(info, "7").replicas == {1: {"7": ACTIVE}, 0: {"8": DEAD}}
    assert placement_of(info, "").shards_of("") == (1,)


def test_a_node_is_sound_when_all_that_it_holds_is() -> None:
    behind = placed(second=DEAD)
    assert [behind.sound(peer) for peer in "1234"] == [True, False, True, False]


@pytest.mark.parametrize(
    ("peers", "missing"), [("2", ()), ("13", ()), ("1", (1,)), ("3", (0,)), ("", (0, 1))]
)
def test_shards_that_no_listed_node_holds_are_missing(peers: str, missing: tuple[int, ...]) -> None:
    assert placed().left_out(peers) == missing


def test_a_collection_is_whole_on_nodes_that_have_it_all_and_up_to_date() -> None:
    assert placed().whole_on("123")
    assert placed(second=DEAD).whole_on("13")
    assert placed().whole_on("124")
    assert not placed(second=DEAD).whole_on("123")
    assert not placed().whole_on("1")


@pytest.mark.parametrize(
    ("parts", "chosen"),
    [
        ([{0, 1}, {0, 2}, {1, 2}], [0, 1]),
        ([{0}, {1}, {2}], [0, 1, 2]),
        ([{0}, {0, 1, 2}, {1}], [1]),
        ([{0, 1, 2}] * 3, [0]),
        ([], []),
    ],
)
def test_as_few_snapshots_as_have_every_shard_are_sent(parts: list[set[int]], chosen: list[int]) -> None:
    assert covering([frozenset(part) for part in parts]) == chosen


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({"a": OURS}, ["ours"]),
        ({"a": Claim(before=frozenset({"by hand"}))}, ["ours", "later"]),
        ({"a": Claim(before=frozenset({"by hand"})), "b": OURS}, ["later"]),
        ({"a": OURS, "b": Claim()}, ["ours"]),
        ({"a": Claim(), "b": Claim(before=frozenset({"ours"}))}, ["ours"]),
    ],
)
def test_a_snapshot_is_whose_it_is_known_to_be_or_can_only_be(
    claims: dict[str, Claim], found: list[str]
) -> None:
    assert owned("a", claims, ["by hand", "ours", "later", "aegis-restored.snapshot"]) == found
