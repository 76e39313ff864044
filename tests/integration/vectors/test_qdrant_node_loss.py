"""Three real Qdrant nodes with the default settings, one killed or stopped under writes and reads."""

import time
from collections.abc import Iterator
from contextlib import closing
from threading import Thread

import numpy as np
import pytest

from rag.model import CollectionSpec, DocumentVersion, Passage, Point, SearchQuery, SparseVector
from rag.naming import point_id
from rag.settings import Settings
from rag.vectors.qdrant.nodes import nodes_of
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.qdrantbinary import BINARY, WITHOUT, QdrantNode, cluster

pytestmark = pytest.mark.skipif(BINARY is None, reason=WITHOUT)

SPEC = CollectionSpec(8)
DOCS = "docs-1"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[QdrantNode]]:
    with cluster(tmp_path_factory.mktemp("cluster"), 3) as running:
        yield running


@pytest.fixture
def store(nodes: list[QdrantNode]) -> Iterator[QdrantVectorStore]:
    """With the empty collection ``DOCS``."""
    settings = Settings(qdrant_url=",".join(node.url for node in nodes), qdrant_timeout=30)
    with closing(QdrantVectorStore(nodes_of(settings), settings, patience=30.0)) as opened:
        opened.ensure(DOCS, SPEC)
        yield opened
        opened.drop(DOCS)


def points(document: str) -> list[Point]:
    random = np.random.default_rng(0)
    return [
        Point(
            Passage(point_id(DOCS, document, 1, index), document, 1, index, "text", "title", 0, 4),
            random.normal(size=8).astype(np.float32),
            SparseVector(np.array([1], np.uint32), np.ones(1, np.float32)),
        )
        for index in range(20)
    ]


class Writer:
    """Writes documents one after the other, and keeps what was acknowledged."""

    def __init__(self, store: QdrantVectorStore) -> None:
        self.acknowledged: list[str] = []
        self._store, self._over = store, False
        self._thread = Thread(target=self._run)
        self._thread.start()

    def wait_for(self, more: int) -> None:
        wanted, deadline = len(self.acknowledged) + more, time.monotonic() + 90
        while len(self.acknowledged) < wanted:
            assert self._thread.is_alive(), "a write failed"
            assert time.monotonic() < deadline, "writes do not go on"
            time.sleep(0.02)

    def finish(self) -> list[str]:
        self._over = True
        self._thread.join(60)
        return self.acknowledged

    def _run(self) -> None:
        while not self._over:
            document = f"d{len(self.acknowledged)}"
            self._store.upsert(DOCS, points(document))
            self.acknowledged.append(document)


def missing(store: QdrantVectorStore, documents: list[str]) -> list[str]:
    return [name for name in documents if len(store.passages(DOCS, DocumentVersion(name, 1))) != 20]


def found(store: QdrantVectorStore) -> int:
    question = np.ones(8, np.float32), SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))
    return len(store.search(DOCS, SearchQuery(*question, limit=10)))


@pytest.mark.parametrize("blow", ["kill", "freeze"])
@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_node_that_goes_away_takes_nothing_along(
    nodes: list[QdrantNode], store: QdrantVectorStore, victim: int, blow: str
) -> None:
    writer = Writer(store)
    writer.wait_for(5)

    getattr(nodes[victim], blow)()
    try:
        writer.wait_for(10)
        assert found(store) == 10
        acknowledged = writer.finish()
        assert missing(store, acknowledged) == []
    finally:
        nodes[victim].start() if blow == "kill" else nodes[victim].thaw()

    _wait_until_whole(nodes)
    assert missing(store, acknowledged) == []


def _wait_until_whole(nodes: list[QdrantNode]) -> None:
    """Every replica of every shard is active again, as every node sees it."""
    deadline = time.monotonic() + 90
    while {state for node in nodes for state in node.replicas(DOCS)} != {"Active"}:
        assert time.monotonic() < deadline, [node.replicas(DOCS) for node in nodes]
        time.sleep(0.2)
