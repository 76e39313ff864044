"""Every engine's snapshots keep what the port promises. A new one is one more entry in ``BACKENDS``.

A real Qdrant takes part where QDRANT_BIN names the server's binary.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import numpy as np
import pytest

from rag.backups.digest import ContentDigest, digests
from rag.errors import Conflict, DamagedBackup, NotFound, Unavailable, UnknownCollection
from rag.model import CollectionSpec, Engine, Passage, Point, SearchQuery, SnapshotFile, SparseVector
from rag.naming import point_id
from rag.ports import Opened, Snapshots, VectorStore
from rag.settings import Settings
from rag.vectors.edge.client import NoSnapshots
from rag.vectors.qdrant.nodes import nodes_of
from rag.vectors.qdrant.snapshots.snapshots import QdrantSnapshots
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.contents import total
from tests.qdrantbinary import BINARY, QdrantNode
from tests.qdrantserver import QdrantServer, serving

SPEC = CollectionSpec(8, 4)
DOCS, OTHER, LOADED = "docs-1", "Other", "docs-2"
NAME = "0199a7c2-0000-7000-8000-000000000001"


class Backend:
    """An engine's collections and its snapshots of them."""

    def __init__(self, store: VectorStore, snapshots: Snapshots) -> None:
        self.store, self.snapshots = store, snapshots


def stand_in(folder: Path, stack: ExitStack) -> Backend:
    server = stack.enter_context(serving(QdrantServer()))
    return _server(stack, Settings(qdrant_url=server.url, aegis_home=folder))


def server(folder: Path, stack: ExitStack, *, grpc: bool = False) -> Backend:
    node = QdrantNode(folder / "node")
    stack.callback(node.stop)
    return _server(
        stack, Settings(qdrant_url=node.url, qdrant_grpc=grpc, qdrant_grpc_port=node.grpc, aegis_home=folder)
    )


def _server(stack: ExitStack, settings: Settings) -> Backend:
    store = stack.enter_context(closing(QdrantVectorStore(nodes_of(settings), settings, patience=5.0)))
    return Backend(store, QdrantSnapshots(settings, store))


BACKENDS: dict[str, Callable[[Path, ExitStack], Backend]] = {"stand-in": stand_in}
if BINARY:
    BACKENDS |= {"server": server, "server over gRPC": partial(server, grpc=True)}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def opened(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with TemporaryDirectory(prefix="aegis-") as folder, ExitStack() as stack:
        yield BACKENDS[request.param](Path(folder), stack)


@pytest.fixture
def backend(opened: Backend) -> Iterator[Backend]:
    """With 60 points in ``DOCS`` and none in ``OTHER``, and without any snapshot."""
    for name in (DOCS, OTHER):
        opened.store.ensure(name, SPEC)
    opened.store.upsert(DOCS, [point(f"d{number}", number % 5) for number in range(60)])
    yield opened
    for name in opened.snapshots.taken():
        opened.snapshots.release(name)
    for name in opened.store.collections():
        opened.store.drop(name)


# --- what the tests work with ----------------------------------------------------------------


def point(document: str, index: int = 0) -> Point:
    random = np.random.default_rng(crc32(f"{document}/{index}".encode()))
    dense = random.normal(size=SPEC.dimension).astype(np.float32)
    return Point(
        Passage(
            point_id("docs", document, 1, index),
            *(document, 1, index, f"text of {document} – ünïcode", "Title", 0, 9),
            metadata={"year": 2000 + index, "tenant": "a"},
        ),
        dense / np.linalg.norm(dense),
        SparseVector(np.array([1, index + 2], np.uint32), random.random(2).astype(np.float32)),
        None if index == 4 else random.normal(size=(3, 4)).astype(np.float16),
    )


def made_anew(stored: Point) -> Point:
    return point(stored.passage.document_id, stored.passage.index)


def points_of(store: VectorStore, collection: str) -> Iterator[Point]:
    after = None
    while True:
        page = store.scroll(collection, after=after, limit=100)
        yield from page.items
        after = page.next
        if after is None:
            return


def content(store: VectorStore, collection: str) -> ContentDigest:
    return total(digests(points_of(store, collection)))


class Saved:
    """What a backup keeps of a snapshot's files of one collection."""

    def __init__(self, snapshots: Snapshots, files: Sequence[SnapshotFile], store: str = DOCS) -> None:
        self.data = {file: b"".join(snapshots.read(NAME, file)) for file in files if file.store == store}

    def files(self) -> list[tuple[SnapshotFile, Opened]]:
        return [(file, partial(_bytes, data)) for file, data in self.data.items()]


def _bytes(data: bytes, start: int) -> Iterator[bytes]:
    for offset in range(start, len(data), 10_000):
        yield data[offset : offset + 10_000]


def load(
    backend: Backend, saved: Saved, *, files: list[tuple[SnapshotFile, Opened]] | None = None
) -> list[int]:
    """Into ``LOADED``; what was told meanwhile."""
    told: list[int] = []
    given = saved.files() if files is None else files
    backend.snapshots.load(LOADED, SPEC, given, told.append)
    return told


# --- taking and reading ------------------------------------------------------------------------


def test_a_snapshot_is_what_there_was_when_it_was_taken(backend):
    before = content(backend.store, DOCS)
    files = backend.snapshots.take(NAME, [DOCS])
    backend.store.upsert(DOCS, [point("later", index) for index in range(5)])
    backend.store.delete(DOCS, "d7")
    after = content(backend.store, DOCS)
    saved = Saved(backend.snapshots, files)
    backend.snapshots.release(NAME)

    told = load(backend, saved)

    assert content(backend.store, LOADED) == before
    assert content(backend.store, DOCS) == after != before
    assert told == sorted(told)
    assert told[-1] == sum(file.size for file in saved.data)


def test_a_loaded_collection_serves_and_is_written_to_like_any_other(backend):
    files = backend.snapshots.take(NAME, [DOCS])
    load(backend, Saved(backend.snapshots, files))
    store, asked = backend.store, point("d9", 4)

    hits = store.search(LOADED, SearchQuery(asked.dense, asked.sparse, 3, {"year": {"gte": 2004}}))
    store.upsert(LOADED, [point("d9", 4), point("new")])
    store.delete(LOADED, "d8")
    store.ensure(LOADED, SPEC)

    assert hits[0].passage == asked.passage
    assert (store.count(LOADED), store.count(LOADED, "d8"), store.count(LOADED, "new")) == (60, 0, 1)
    assert LOADED in store.collections()


def test_files_are_read_from_any_byte_on_and_have_their_size(backend):
    for file in backend.snapshots.take(NAME, [DOCS]):
        whole = b"".join(backend.snapshots.read(NAME, file))
        assert len(whole) == file.size
        for start in (1, file.size // 2, file.size - 1, file.size):
            assert b"".join(backend.snapshots.read(NAME, file, start)) == whole[start:]


def test_taking_again_gives_the_same_files(backend):
    first = backend.snapshots.take(NAME, [DOCS, OTHER])
    backend.store.upsert(DOCS, [point("later")])
    assert backend.snapshots.take(NAME, [DOCS, OTHER]) == first
    assert {file.store for file in first} == {DOCS, OTHER}
    assert backend.snapshots.taken() == (NAME,)


def test_a_released_snapshot_is_gone(backend):
    files = backend.snapshots.take(NAME, [DOCS])
    backend.snapshots.release(NAME)
    backend.snapshots.release(NAME)
    assert backend.snapshots.taken() == ()
    with pytest.raises(NotFound):
        b"".join(backend.snapshots.read(NAME, files[0]))


def test_an_empty_collection_is_loaded_empty(backend):
    files = backend.snapshots.take(NAME, [OTHER])
    load(backend, Saved(backend.snapshots, files, OTHER))
    assert backend.store.count(LOADED) == 0
    backend.store.upsert(LOADED, [point("first")])
    assert backend.store.count(LOADED) == 1


def test_an_unknown_collection_is_named(backend):
    with pytest.raises(UnknownCollection, match="nowhere"):
        backend.snapshots.take(NAME, [DOCS, "nowhere"])


def test_nothing_acknowledged_before_is_missing_while_a_writer_writes(backend):
    store, done = backend.store, threading.Event()
    acknowledged: list[str] = []
    waits: list[float] = []

    def write() -> None:
        while not done.is_set():
            began = time.monotonic()
            store.upsert(DOCS, [point(f"w{len(acknowledged)}", index) for index in range(5)])
            waits.append(time.monotonic() - began)
            acknowledged.append(f"w{len(acknowledged)}")

    writer = threading.Thread(target=write)
    writer.start()
    while len(acknowledged) < 10:
        time.sleep(0.01)
    before = list(acknowledged)
    files = backend.snapshots.take(NAME, [DOCS, OTHER])
    after = len(acknowledged) + 1
    done.set()
    writer.join()
    load(backend, Saved(backend.snapshots, files))

    assert [name for name in before if store.count(LOADED, name) != 5] == []
    assert store.count(LOADED) <= 60 + 5 * after
    assert content(store, LOADED) == total(digests(map(made_anew, points_of(store, LOADED))))
    assert max(waits) < 1.0


# --- loading -----------------------------------------------------------------------------------


def test_what_an_earlier_load_left_is_replaced(backend):
    files = backend.snapshots.take(NAME, [DOCS])
    backend.store.ensure(LOADED, SPEC)
    backend.store.upsert(LOADED, [point("half"), point("d1", 1)])
    load(backend, Saved(backend.snapshots, files))
    assert content(backend.store, LOADED) == content(backend.store, DOCS)


def test_a_load_that_breaks_off_leaves_nothing_and_can_be_made_again(backend):
    saved = Saved(backend.snapshots, backend.snapshots.take(NAME, [DOCS]))

    def breaking(data: bytes, start: int) -> Iterator[bytes]:
        yield data[start : len(data) // 2]
        raise Unavailable("the bucket is away")

    with pytest.raises(Unavailable, match="bucket"):
        load(backend, saved, files=[(file, partial(breaking, data)) for file, data in saved.data.items()])
    assert LOADED not in backend.store.collections()
    load(backend, saved)
    assert content(backend.store, LOADED) == content(backend.store, DOCS)


@pytest.mark.parametrize("harm", [lambda data: data[:-1], lambda data: b"\xff" * len(data)])
def test_files_that_no_engine_opens_are_refused_and_nothing_is_made(backend, harm):
    saved = Saved(backend.snapshots, backend.snapshots.take(NAME, [DOCS]))
    harmed = [(file, partial(_bytes, harm(data))) for file, data in saved.data.items()]
    with pytest.raises(DamagedBackup):
        load(backend, saved, files=harmed)
    assert LOADED not in backend.store.collections()


# --- what is loaded where ------------------------------------------------------------------------


def test_a_snapshot_is_loaded_by_its_own_kind_of_engine(backend):
    files = backend.snapshots.take(NAME, [DOCS])
    engine = backend.snapshots.engine
    assert backend.snapshots.accepts(engine, files)
    assert not backend.snapshots.accepts(Engine("edge", engine.version), files)
    assert not backend.snapshots.accepts(Engine(engine.kind, "1.99.0"), files)
    assert not backend.snapshots.accepts(engine, ())


def test_the_embedded_engine_makes_and_loads_none():
    none = NoSnapshots()
    assert none.take(NAME, [DOCS]) == none.taken() == ()
    none.release(NAME)
    assert not none.accepts(none.engine, [SnapshotFile(DOCS, "", "points", 1)])
    with pytest.raises(NotFound):
        none.read(NAME, SnapshotFile(DOCS, "", "points", 1))
    with pytest.raises(Conflict):
        none.load(LOADED, SPEC, [], lambda _: None)
