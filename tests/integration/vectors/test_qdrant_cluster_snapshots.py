"""Snapshots of three real Qdrant nodes with the default settings, and what is made of them elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from rag.backups.digest import ContentDigest, digests
from rag.errors import Conflict, DamagedBackup, Unavailable
from rag.model import CollectionSpec, DocumentVersion, Engine, Passage, Point, SnapshotFile, SparseVector
from rag.naming import point_id
from rag.ports import VectorStore
from rag.settings import Settings
from rag.vectors.qdrant.nodes import nodes_of
from rag.vectors.qdrant.snapshots.snapshots import QdrantSnapshots
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.qdrantbinary import BINARY, WITHOUT, QdrantNode, cluster

pytestmark = pytest.mark.skipif(BINARY is None, reason=WITHOUT)

SPEC = CollectionSpec(8, 4)
DOCS, RESTORED, JOB = "docs-1", "docs-2", "job"
Parts = list[tuple[SnapshotFile, Callable[[int], Iterator[bytes]]]]


class Opened:
    """A vector store and its snapshots at these nodes."""

    def __init__(self, nodes: list[QdrantNode], home: Path) -> None:
        settings = Settings(
            qdrant_url=",".join(node.url for node in nodes), aegis_home=home, qdrant_timeout=30
        )
        self.store = QdrantVectorStore(nodes_of(settings), settings, 30.0)
        self.snapshots = QdrantSnapshots(settings, self.store)

    def close(self) -> None:
        self.store.close()

    def saved(self, files: tuple[SnapshotFile, ...]) -> Parts:
        """What a backup would have of them."""
        whole = {file: b"".join(self.snapshots.read(JOB, file)) for file in files}
        return [(file, lambda start, data=whole[file]: iter((data[start:],))) for file in files]

    def load(self, parts: Parts) -> None:
        self.snapshots.load(RESTORED, SPEC, parts, lambda _read: None)

    def content(self, collection: str) -> dict[DocumentVersion, ContentDigest]:
        return content(self.store, collection)


def content(store: VectorStore, collection: str) -> dict[DocumentVersion, ContentDigest]:
    points, after = list[Point](), None
    while True:
        page = store.scroll(collection, after=after, limit=256)
        points += page.items
        after = page.next
        if after is None:
            return digests(points)


def points(document: str) -> list[Point]:
    random = np.random.default_rng(0)
    return [
        Point(
            Passage(point_id(DOCS, document, 1, index), document, 1, index, "text", "title", 0, 4),
            random.normal(size=8).astype(np.float32),
            SparseVector(np.array([1, 5 + index], np.uint32), random.uniform(size=2).astype(np.float32)),
            random.normal(size=(2, 4)).astype(np.float16),
        )
        for index in range(20)
    ]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[QdrantNode]]:
    with cluster(tmp_path_factory.mktemp("cluster"), 3) as running:
        yield running


@pytest.fixture(scope="module")
def opened(nodes: list[QdrantNode], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """With ``DOCS``, of 400 points."""
    with closing(Opened(nodes, tmp_path_factory.mktemp("home"))) as three:
        three.store.ensure(DOCS, SPEC)
        for number in range(20):
            three.store.upsert(DOCS, points(f"d{number}"))
        yield three


@pytest.fixture(scope="module")
def parts(opened: Opened) -> Iterator[Parts]:
    """Of all three nodes."""
    yield opened.saved(opened.snapshots.take(JOB, [DOCS]))
    opened.snapshots.release(JOB)
    assert opened.snapshots.taken() == ()


def left_over(nodes: list[QdrantNode]) -> list[str]:
    """Snapshots that lie on any node."""
    return sorted(path.name for node in nodes for path in (node.folder / "snapshots").rglob("*.snapshot"))


def test_every_node_makes_one_of_its_shards(parts: Parts) -> None:
    shards = [file.path.partition("/")[0] for file, _ in parts]
    assert sorted(shards) == ["0,1", "0,2", "1,2"]
    assert len({file.node for file, _ in parts}) == 3


def test_a_cluster_takes_its_own(nodes: list[QdrantNode], opened: Opened, parts: Parts) -> None:
    opened.load(parts)

    assert opened.content(RESTORED) == opened.content(DOCS)
    assert set(nodes[0].replicas(RESTORED)) == {"Active"}
    assert len(nodes[0].replicas(RESTORED)) == 6
    assert [name for name in left_over(nodes) if name.startswith(RESTORED)] == []
    opened.store.upsert(RESTORED, points("later"))
    assert opened.store.count(RESTORED) == 420
    opened.store.drop(RESTORED)


def test_another_cluster_of_another_size_takes_it(opened: Opened, parts: Parts, tmp_path: Path) -> None:
    with cluster(tmp_path / "nodes", 2) as fresh, closing(Opened(fresh, tmp_path)) as two:
        two.load(parts)

        assert two.content(RESTORED) == opened.content(DOCS)
        assert len(fresh[0].replicas(RESTORED)) == 6
        assert left_over(fresh) == []


def test_a_server_by_itself_does_not_accept_it(opened: Opened, parts: Parts, tmp_path: Path) -> None:
    files = [file for file, _ in parts]
    with ExitStack() as stack:
        node = QdrantNode(tmp_path / "node")
        stack.callback(node.kill)
        alone = stack.enter_context(closing(Opened([node], tmp_path)))
        assert not alone.snapshots.accepts(opened.snapshots.engine, files)
    assert opened.snapshots.accepts(opened.snapshots.engine, files)


def test_what_is_no_snapshot_is_told_from_a_server_that_fails(opened: Opened, parts: Parts) -> None:
    (file, _), *others = parts
    garbage = b"no archive at all".ljust(file.size)

    with pytest.raises(DamagedBackup, match=DOCS):
        opened.load([(file, lambda start: iter((garbage[start:],))), *others])

    assert opened.store.collections() == (DOCS,)


def test_a_snapshot_of_a_later_server_is_not_accepted(opened: Opened, parts: Parts) -> None:
    assert not opened.snapshots.accepts(Engine("qdrant", "9.0.0"), [file for file, _ in parts])


def test_two_of_the_three_have_every_shard_and_one_has_not(
    nodes: list[QdrantNode], opened: Opened, tmp_path: Path
) -> None:
    with closing(Opened(nodes[1:], tmp_path)) as two:
        assert len(two.snapshots.take("two", [DOCS])) == 2
        two.snapshots.release("two")
    with (
        closing(Opened(nodes[:1], tmp_path)) as one,
        pytest.raises(Conflict, match="list the address of every node"),
    ):
        one.snapshots.take("one", [DOCS])


def test_a_node_that_is_killed_takes_no_shard_along(nodes: list[QdrantNode], opened: Opened) -> None:
    with killed(nodes[2]):
        files = opened.snapshots.take("without", [DOCS])

        assert len(files) == 2
        opened.load(opened.saved(files))
        assert opened.content(RESTORED) == opened.content(DOCS)
        with killed(nodes[1]), pytest.raises(Unavailable):
            opened.snapshots.take("alone", [DOCS])
    opened.snapshots.release("without")
    opened.snapshots.release("alone")
    assert set(opened.snapshots.taken()) <= {JOB}


@contextmanager
def killed(node: QdrantNode) -> Iterator[None]:
    """Until the end of this."""
    node.kill()
    try:
        yield
    finally:
        node.start()
