"""Snapshots of a Qdrant cluster: every shard or none, on stand-in nodes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from rag.backups.digest import digests
from rag.errors import Conflict, DamagedBackup, NotFound, Unavailable
from rag.model import CollectionSpec, Engine, Passage, Point, SnapshotFile, SparseVector
from rag.naming import point_id
from rag.settings import Settings
from rag.vectors.qdrant.nodes import nodes_of
from rag.vectors.qdrant.snapshots import recovery
from rag.vectors.qdrant.snapshots.snapshots import QdrantSnapshots
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.qdrantlocal import LocalQdrant
from tests.qdrantpeer import Node, Shards
from tests.qdrantserver import Answer, QdrantServer, serving

ACTIVE, DEAD = models.ReplicaState.ACTIVE, models.ReplicaState.DEAD
SPEC = CollectionSpec(8, 4)
DOCS, RESTORED, JOB = "docs-1", "docs-2", "job"


@pytest.fixture
def servers() -> Iterator[list[QdrantServer]]:
    """Three nodes, each of which holds two of three shards."""
    local = LocalQdrant()
    shards = Shards(
        {0: {1: ACTIVE, 2: ACTIVE}, 1: {2: ACTIVE, 3: ACTIVE}, 2: {3: ACTIVE, 1: ACTIVE}}, {1, 2, 3}
    )
    with ExitStack() as stack:
        yield [
            stack.enter_context(serving(QdrantServer(local=local, peer=peer, cluster=shards)))
            for peer in (1, 2, 3)
        ]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in copies no shards from node to node, so none need be waited for."""
    monkeypatch.setattr(recovery, "_LOOK_SECONDS", 0.01)


class Opened:
    """A vector store and its snapshots at these servers; ``DOCS`` has twelve points."""

    def __init__(self, servers: list[QdrantServer], home: Path) -> None:
        self.settings = Settings(
            qdrant_url=",".join(server.url for server in servers), aegis_home=home, qdrant_timeout=5
        )
        self.store = QdrantVectorStore(nodes_of(self.settings), self.settings, 5.0)
        self.snapshots = QdrantSnapshots(self.settings, self.store)

    def close(self) -> None:
        self.store.close()

    def take(self) -> tuple[SnapshotFile, ...]:
        return self.snapshots.take(JOB, [DOCS])

    def saved(
        self, files: tuple[SnapshotFile, ...]
    ) -> list[tuple[SnapshotFile, Callable[[int], Iterator[bytes]]]]:
        """What a backup would have of them."""
        whole = {file: b"".join(self.snapshots.read(JOB, file)) for file in files}
        return [(file, lambda start, data=whole[file]: iter((data[start:],))) for file in files]

    def load(self, parts: Any) -> list[int]:
        told: list[int] = []
        self.snapshots.load(RESTORED, SPEC, parts, told.append)
        return told

    def content(self, collection: str) -> dict[Any, Any]:
        return digests(self.store.scroll(collection, after=None, limit=100).items)


@pytest.fixture
def opened(servers: list[QdrantServer], tmp_path: Path) -> Iterator[Opened]:
    with closing(Opened(servers, tmp_path)) as at_all:
        at_all.store.ensure(DOCS, SPEC)
        at_all.store.upsert(DOCS, points("a", 12))
        yield at_all


def points(document: str, count: int) -> list[Point]:
    random = np.random.default_rng(1)
    return [
        Point(
            Passage(point_id(DOCS, document, 1, index), document, 1, index, f"text {index}", "t", 0, 4),
            random.normal(size=8).astype(np.float32),
            SparseVector(np.array([1, 5 + index], np.uint32), random.uniform(size=2).astype(np.float32)),
            random.normal(size=(3, 4)).astype(np.float16),
        )
        for index in range(count)
    ]


def kept(servers: list[QdrantServer], collection: str = DOCS) -> list[int]:
    """How many snapshots each node has."""
    return [len(server.node.snapshots[collection]) for server in servers]


# --- all that is needed, or nothing -------------------------------------------------------------


def test_every_node_makes_a_snapshot_of_its_shards(servers: list[QdrantServer], opened: Opened) -> None:
    files = opened.take()

    assert [(file.node, file.path.partition("/")[0]) for file in files] == [
        ("1", "0,2"),
        ("2", "0,1"),
        ("3", "1,2"),
    ]
    assert kept(servers) == [1, 1, 1]
    assert opened.take() == files
    assert kept(servers) == [1, 1, 1]


def test_what_comes_back_is_what_was_there(servers: list[QdrantServer], opened: Opened) -> None:
    parts = opened.saved(opened.take())
    before = opened.content(DOCS)
    opened.store.drop(DOCS)

    told = opened.load(parts)

    assert opened.content(RESTORED) == before
    assert opened.store.collections() == (RESTORED,)
    assert told == sorted(told)
    assert told[-1] == sum(file.size for file, _ in parts)
    assert kept(servers, RESTORED) == [0, 0, 0]
    assert opened.snapshots.taken() == ()
    opened.store.upsert(RESTORED, points("b", 1))
    assert opened.store.count(RESTORED) == 13


def test_a_node_that_is_away_is_done_without(
    servers: list[QdrantServer], tmp_path: Path, opened: Opened
) -> None:
    with serving(QdrantServer()) as gone:
        pass
    with closing(Opened([servers[0], gone, servers[1]], tmp_path)) as two_of_three:
        files = two_of_three.take()

        assert [file.node for file in files] == ["1", "2"]
        opened.load(two_of_three.saved(files))
        assert opened.content(RESTORED) == opened.content(DOCS)


def test_no_snapshot_lacks_the_shards_of_a_node_that_is_away(
    servers: list[QdrantServer], tmp_path: Path, opened: Opened
) -> None:
    with serving(QdrantServer()) as gone:
        pass
    with (
        closing(Opened([servers[0], gone], tmp_path)) as half,
        pytest.raises(Unavailable, match=r"shard 1 .* away"),
    ):
        half.take()
    assert kept(servers) == [0, 0, 0]


def test_no_snapshot_lacks_the_shards_of_a_node_that_is_not_listed(
    servers: list[QdrantServer], tmp_path: Path, opened: Opened
) -> None:
    with (
        closing(Opened([servers[0]], tmp_path)) as one,
        pytest.raises(Conflict, match="list the address of every node"),
    ):
        one.take()


def test_a_node_that_has_fallen_behind_is_left_out(servers: list[QdrantServer], opened: Opened) -> None:
    states = servers[0].node.shards.states
    states[0][1] = DEAD

    assert [file.node for file in opened.take()] == ["2", "3"]

    opened.snapshots.release(JOB)
    states[0][2] = DEAD
    with pytest.raises(Unavailable, match=r"shard 0 .* not up to date"):
        opened.take()


def test_an_address_of_several_nodes_is_refused(
    servers: list[QdrantServer], tmp_path: Path, opened: Opened
) -> None:
    class Balanced(QdrantServer):
        turns = cycle([server.node for server in servers])

        @property
        def node(self) -> Node:
            return next(self.turns)

        @node.setter
        def node(self, _own: Node) -> None:
            """It is none itself."""

    states = servers[0].node.shards.states
    states.update({shard: {1: ACTIVE, 2: ACTIVE, 3: ACTIVE} for shard in states})
    with (
        serving(Balanced(local=servers[0].local)) as balanced,
        closing(Opened([balanced], tmp_path)) as at_balancer,
        pytest.raises(Conflict, match=balanced.url),
    ):
        at_balancer.take()


# --- whose a snapshot is ------------------------------------------------------------------------


def test_a_taker_that_ended_in_the_middle_leaves_nothing(servers: list[QdrantServer], opened: Opened) -> None:
    servers[1].instead.extend(
        [None, None, None, Answer(500)]
    )  # who it is, what is there, who it is, the snapshot

    with pytest.raises(Unavailable):
        opened.take()
    assert kept(servers) == [1, 0, 1]
    assert opened.snapshots.taken() == (JOB,)

    files = opened.take()
    assert kept(servers) == [1, 1, 1]
    assert len(files) == 3
    opened.snapshots.release(JOB)
    opened.snapshots.release(JOB)
    assert kept(servers) == [0, 0, 0]
    assert opened.snapshots.taken() == ()


class Behind:
    """What a node answers that has heard of no claim yet, since it is behind its cluster's consensus."""

    def __init__(self, local: LocalQdrant) -> None:
        self._local = local

    def __getattr__(self, name: str) -> Any:
        return getattr(self._local, name)

    def get_collection(self, name: str) -> models.CollectionInfo:
        info = self._local.get_collection(name).model_copy(deep=True)
        known = info.config.metadata or {}
        info.config.metadata = {key: known[key] for key in known if not key.startswith("aegis-snapshot:")}
        return info


@pytest.mark.parametrize("behind", [0, 2])
def test_a_node_that_has_not_heard_of_the_snapshot_yet_keeps_none(
    servers: list[QdrantServer], opened: Opened, behind: int
) -> None:
    opened.take()
    servers[behind].local = Behind(servers[behind].local)  # type: ignore[assignment] - the same, but late

    opened.snapshots.release(JOB)

    assert kept(servers) == [0, 0, 0]
    assert opened.snapshots.taken() == ()


def test_a_snapshot_of_an_earlier_call_is_known_again_on_a_node_that_is_behind(
    servers: list[QdrantServer], opened: Opened
) -> None:
    servers[1].instead.extend([None, None, None, Answer(500)])
    with pytest.raises(Unavailable):
        opened.take()
    servers[2].local = Behind(servers[2].local)  # type: ignore[assignment] - the same, but late

    files = opened.take()

    assert len(files) == 3
    assert kept(servers) == [1, 1, 1]


def test_an_operators_own_snapshots_are_left_alone(servers: list[QdrantServer], opened: Opened) -> None:
    own = servers[0].node.snapshots[DOCS]
    own["docs-1-1-before.snapshot"] = b""
    opened.take()
    own["docs-1-1-after.snapshot"] = b""

    opened.snapshots.release(JOB)

    assert sorted(own) == ["docs-1-1-after.snapshot", "docs-1-1-before.snapshot"]


def test_a_snapshot_that_a_node_is_still_making_is_waited_for(
    servers: list[QdrantServer], opened: Opened
) -> None:
    servers[1].instead.extend([None, None, None, Answer(500)])
    with pytest.raises(Unavailable):
        opened.take()
    making = servers[1].node.creating
    making.add(DOCS)

    with pytest.raises(Unavailable, match="still making"):
        opened.take()
    opened.snapshots.release(JOB)
    assert opened.snapshots.taken() == (JOB,)

    servers[1].node.snapshots[DOCS]["docs-1-2-late.snapshot"] = b""
    making.clear()
    opened.snapshots.release(JOB)
    assert kept(servers) == [0, 0, 0]
    assert opened.snapshots.taken() == ()


def test_the_snapshots_of_a_collection_that_is_dropped_go_first(
    servers: list[QdrantServer], opened: Opened
) -> None:
    (file, *_) = opened.take()

    opened.store.drop(DOCS)

    assert kept(servers) == [0, 0, 0]
    assert opened.snapshots.taken() == ()
    with pytest.raises(NotFound, match=JOB):
        list(opened.snapshots.read(JOB, file))


# --- loading ------------------------------------------------------------------------------------


def test_a_server_by_itself_accepts_no_shards_in_several_files(tmp_path: Path, opened: Opened) -> None:
    files, engine = opened.take(), opened.snapshots.engine
    whole = SnapshotFile(DOCS, "1", "0,1,2/whole.snapshot", 1)
    with serving(QdrantServer()) as server, closing(Opened([server], tmp_path)) as alone:
        assert not alone.snapshots.accepts(engine, files)
        assert alone.snapshots.accepts(engine, [whole])
    assert opened.snapshots.accepts(engine, files)


def test_a_cluster_takes_the_snapshot_of_a_server_by_itself(tmp_path: Path, opened: Opened) -> None:
    with serving(QdrantServer()) as server, closing(Opened([server], tmp_path)) as alone:
        alone.store.ensure(DOCS, SPEC)
        alone.store.upsert(DOCS, points("b", 9))
        opened.load(alone.saved(alone.take()))

        assert opened.content(RESTORED) == alone.content(DOCS)


def test_a_load_that_fails_leaves_nothing(servers: list[QdrantServer], opened: Opened) -> None:
    (first, second, third) = opened.saved(opened.take())
    garbage = b"no archive at all".ljust(second[0].size)
    broken = [first, (second[0], lambda start: iter((garbage[start:],))), third]

    with pytest.raises(DamagedBackup, match=DOCS):
        opened.load(broken)

    assert opened.store.collections() == (DOCS,)
    assert kept(servers, RESTORED) == [0, 0, 0]


@pytest.mark.parametrize("again", [True, False])
def test_what_a_killed_load_left_goes(
    servers: list[QdrantServer], opened: Opened, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    parts = opened.saved(opened.take())
    cut = [parts[0], (parts[1][0], lambda _start: iter(()))]
    with monkeypatch.context() as killed:
        killed.setattr(opened.store, "drop", lambda _collection: None)
        with pytest.raises(DamagedBackup):
            opened.load(cut)
    servers[0].node.snapshots[RESTORED]["aegis-restored.snapshot"] = b""
    assert opened.store.collections() == (DOCS, RESTORED)

    if again:
        opened.load(parts)
        assert opened.content(RESTORED) == opened.content(DOCS)
    else:
        opened.store.drop(RESTORED)
        assert opened.store.collections() == (DOCS,)
    assert kept(servers, RESTORED) == [0, 0, 0]


def test_a_snapshot_of_a_later_server_is_not_accepted(opened: Opened) -> None:
    assert not opened.snapshots.accepts(Engine("qdrant", "1.99.0"), opened.take())


def test_a_file_that_is_shorter_than_it_was_is_damaged(opened: Opened) -> None:
    parts = opened.saved(opened.take())
    cut = [(file, lambda start, whole=whole: iter((b"".join(whole(start))[:-1],))) for file, whole in parts]
    with pytest.raises(DamagedBackup, match="bytes"):
        opened.load(cut)
    assert opened.store.collections() == (DOCS,)
