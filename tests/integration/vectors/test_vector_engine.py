"""The vector engine as a process: its start, its end, and what its clients see of both."""

import itertools
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock

import numpy as np
import pytest

from rag.errors import TimedOut, Unavailable, UnknownCollection
from rag.model import CollectionSpec, Passage, Point, SearchQuery, SparseVector
from rag.naming import point_id
from rag.vectors.edge import collection, compaction, folders, wire
from rag.vectors.edge.client import RemoteVectorStore
from rag.vectors.edge.store import EdgeVectorStore
from tests.integration.vectorengine import Engine
from workers.warm_up import wait_for_engine

SPEC = CollectionSpec(8)
TERM = SparseVector(np.array([1], np.uint32), np.array([1.0], np.float32))
NOTHING = SparseVector(np.array([], np.uint32), np.array([], np.float32))


@pytest.fixture
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="aegis-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with TemporaryDirectory(prefix="aegis-") as folder:
        engine = Engine(Path(folder))
        yield engine
        engine.killed()


@pytest.fixture
def engine(shared: Engine) -> Engine:
    """Running, whatever the test before did to it."""
    if shared.process.poll() is not None:
        shared.start_again()
    return shared


@pytest.fixture
def store(engine: Engine) -> Iterator[RemoteVectorStore]:
    """Without any collection."""
    store = RemoteVectorStore(engine.socket, timeout=20)
    for name in store.collections():
        store.drop(name)
    yield store
    store.close()


def points(document: str, count: int, *, dimension: int = 8, version: int = 1) -> list[Point]:
    random = np.random.default_rng(len(document))
    return [
        Point(
            Passage(point_id("c", document, version, index), document, version, index, "text", "title", 0, 4),
            random.normal(size=dimension).astype(np.float32),
            TERM,
        )
        for index in range(count)
    ]


# --- start and end -------------------------------------------------------------------------


def test_it_says_that_it_is_ready_and_listens_for_its_user_only(engine):
    assert "ready" in engine.ready
    assert str(engine.socket) in engine.ready
    assert stat.S_IMODE(engine.socket.stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_nothing_left(engine, store, number):
    store.ensure("c", SPEC)
    store.upsert("c", points("a", 10))
    engine.process.send_signal(number)
    assert engine.process.wait(timeout=20) == 0
    assert not engine.socket.exists()
    # on a full machine a call may have taken so long that the log tells it
    assert [line for line in engine.process.stderr if " took " not in line] == []


def test_a_call_in_flight_is_answered_before_the_end(engine, store):
    store.ensure("c", CollectionSpec(384))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(engine.socket))
        wire.send(connection, wire.packed(["ping", [], {}]))
        wire.receive_answer(connection)
        wire.send(connection, wire.packed(["upsert", ["c", points("a", 64, dimension=384)], {}]))
        assert engine.ended() == 0
        assert wire.unpacked(wire.receive_answer(connection)) == [None, None]
    engine.start_again()
    assert store.count("c") == 64


def test_a_second_engine_is_refused_with_one_line_and_the_first_goes_on(engine, store):
    second = engine.started()
    _, message = second.communicate(timeout=20)
    assert second.returncode == 1
    assert len(message.splitlines()) == 1
    assert "another vector engine" in message
    store.ping()


def test_a_wrong_setting_is_one_line(home):
    environment = {**os.environ, "AEGIS_HOME": str(home), "API_PORT": "no"}
    done = subprocess.run(
        [sys.executable, "-m", "rag.vectors.edge.server"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "API_PORT" in done.stderr


def test_a_stale_socket_is_replaced(engine, store):
    engine.killed()
    assert engine.socket.exists()
    engine.start_again()
    assert "ready" in engine.ready
    store.ping()


def test_a_file_that_is_no_socket_is_not_removed(home):
    (home / "run").mkdir()
    (home / "run" / "vectors.sock").write_text("mine")
    engine = Engine(home)
    assert engine.process.wait(timeout=20) == 1
    assert "cannot listen" in engine.ready
    assert (home / "run" / "vectors.sock").read_text() == "mine"


# --- what is on disk -----------------------------------------------------------------------


def test_a_half_made_collection_does_not_keep_it_from_starting(home):
    root = home / "vectors"
    EdgeVectorStore(root).close()
    folders.create_draft(root, "half", SPEC)
    engine = Engine(home)
    try:
        store = RemoteVectorStore(engine.socket, timeout=20)
        assert store.collections() == ()
        store.ensure("half", SPEC)
    finally:
        assert engine.ended() == 0


def test_a_damaged_collection_is_named_and_the_others_work(home):
    root = home / "vectors"
    before = EdgeVectorStore(root)
    before.ensure("good", SPEC)
    before.ensure("bad", SPEC)
    before.upsert("good", points("a", 3))
    before.close()
    for file in (root / "bad" / "shard").rglob("*.json"):
        file.write_text("{")

    store = EdgeVectorStore(root)

    assert store.collections() == ("bad", "good")
    assert store.count("good") == 3
    with pytest.raises(Unavailable, match=r"bad.*restore"):
        store.count("bad")
    store.drop("bad")
    store.ensure("bad", SPEC)
    assert store.count("bad") == 0
    store.close()


def size_of(collection_folder: Path) -> int:
    """Bytes of the dense vectors that lie on the disk."""
    files = collection_folder.glob("shard*/segments/*/vector_storage-dense/**/*.mmap")
    return sum(path.stat().st_blocks * 512 for path in files)


def always() -> bool:
    return True


def test_compacting_waits_for_quiet_and_changes_no_answer(home, monkeypatch):
    monkeypatch.setattr(collection, "WORTH_COMPACTING", 44_000)
    store, folder = EdgeVectorStore(home / "vectors"), home / "vectors" / "c"
    store.ensure("c", CollectionSpec(384))
    store.upsert("c", points("gone", 44_000, dimension=384))
    store.upsert("c", points("a", 2_000, dimension=384))
    question = SearchQuery(points("q", 1, dimension=384)[0].dense, TERM, 5)
    store.delete("c", "gone")
    before, size = store.search("c", question), size_of(folder)

    store.compact_when_idle(60, always)
    assert size_of(folder) >= size
    store.compact_when_idle(0, always)
    assert size_of(folder) < size / 2

    assert store.search("c", question)[0].passage == before[0].passage
    assert not store._open["c"].compact_if_it_pays(always)
    store.close()
    again = EdgeVectorStore(home / "vectors")
    assert again.count("c") == 2_000
    assert again.search("c", question)[0].passage == before[0].passage
    again.close()


def compacted_with_meanwhile(store: EdgeVectorStore, meanwhile: Callable[[int], None]) -> None:
    """Compact the collection c, and call ``meanwhile`` with the number of each step."""
    numbers = itertools.count()

    def go_on() -> bool:
        meanwhile(next(numbers))
        return True

    store.compact_when_idle(0, go_on)


def test_what_is_written_while_it_is_compacted_is_there_afterwards(home, monkeypatch):
    monkeypatch.setattr(collection, "WORTH_COMPACTING", 100)
    store = EdgeVectorStore(home / "vectors")
    store.ensure("c", CollectionSpec(8))
    for name in ("gone", "kept", "replaced", "deleted"):
        store.upsert("c", points(name, 200, dimension=8))
    store.delete("c", "gone")

    def write(step: int) -> None:
        if step == 1:
            store.delete("c", "deleted")
            store.upsert("c", points("replaced", 100, dimension=8, version=2))
            store.delete("c", "replaced", below=2)
        store.upsert("c", points(f"new-{step}", 10, dimension=8))

    compacted_with_meanwhile(store, write)

    names = {path.name for path in (home / "vectors" / "c").glob("shard*")}
    assert names == {"shard-1"}
    new = sum(store.count("c", f"new-{step}") for step in range(100))
    counts = [store.count("c", name) for name in ("gone", "kept", "replaced", "deleted")]
    assert counts == [0, 200, 100, 0]
    assert store.count("c") == 300 + new
    assert new >= 50
    store.close()
    again = EdgeVectorStore(home / "vectors")
    assert again.count("c") == 300 + new
    again.close()


def test_who_writes_without_end_does_not_keep_a_compaction_from_its_own(home, monkeypatch):
    monkeypatch.setattr(collection, "WORTH_COMPACTING", 100)
    monkeypatch.setattr(compaction, "MOST_ROUNDS", 5)
    store = EdgeVectorStore(home / "vectors")
    store.ensure("c", CollectionSpec(8))
    store.upsert("c", points("gone", 200, dimension=8))
    store.delete("c", "gone")
    store.upsert("c", points("kept", 10, dimension=8))
    written = itertools.count()

    def write(step: int) -> None:
        for _ in range(2 * compaction.FEW):
            store.upsert("c", points(f"new-{next(written)}", 1, dimension=8))

    compacted_with_meanwhile(store, write)

    assert (home / "vectors" / "c" / "shard-1").exists()
    assert store.count("c") == 10 + next(written)
    store.close()


def test_a_compaction_that_is_interrupted_leaves_what_was_there(home, monkeypatch):
    monkeypatch.setattr(collection, "WORTH_COMPACTING", 100)
    store, folder = EdgeVectorStore(home / "vectors"), home / "vectors" / "c"
    store.ensure("c", CollectionSpec(8))
    for name in ("gone", "kept"):
        store.upsert("c", points(name, 200, dimension=8))
    store.delete("c", "gone")

    store.compact_when_idle(0, lambda: False)
    assert {path.name for path in folder.glob("shard*")} == {"shard"}
    assert store.count("c") == 200
    store.close()

    (folder / "shard-1").mkdir()  # a killed process left it
    again = EdgeVectorStore(home / "vectors")
    assert {path.name for path in folder.glob("shard*")} == {"shard"}
    assert again.count("c") == 200
    again.close()


def test_no_collection_is_compacted_while_another_is_searched(home, monkeypatch):
    monkeypatch.setattr(collection, "WORTH_COMPACTING", 100)
    store = EdgeVectorStore(home / "vectors")
    for name in ("busy", "quiet"):
        store.ensure(name, CollectionSpec(8))
    store.upsert("quiet", points("a", 200, dimension=8))
    store.delete("quiet", "a")
    time.sleep(0.2)
    store.search("busy", SearchQuery(points("q", 1, dimension=8)[0].dense, TERM, 5))

    store.compact_when_idle(0.2, always)
    assert (home / "vectors" / "quiet" / "shard").exists()

    time.sleep(0.3)
    store.compact_when_idle(0.2, always)
    assert (home / "vectors" / "quiet" / "shard-1").exists()
    store.close()


def test_every_point_is_compared_however_many_there_are(home):
    store = EdgeVectorStore(home / "vectors")
    store.ensure("c", CollectionSpec(8))
    kept = points("a", 30_000, dimension=8)
    store.upsert("c", kept)
    wanted = kept[12_345]

    (best,) = store.search("c", SearchQuery(wanted.dense, NOTHING, 1))

    assert best.passage.chunk_id == wanted.passage.chunk_id
    store.close()


def test_a_collection_that_cannot_be_compacted_is_left_and_keeps_no_other_from_it(home, monkeypatch, caplog):
    monkeypatch.setattr(collection, "WORTH_COMPACTING", 100)
    store = EdgeVectorStore(home / "vectors")
    for name in ("bad", "good"):
        store.ensure(name, CollectionSpec(384))
        store.upsert(name, points("a", 200, dimension=384))
        store.delete(name, "a")
    failing = Mock(side_effect=Unavailable("a damaged segment"))
    monkeypatch.setattr(store._open["bad"]._shard, "scroll", failing)

    for _ in range(3):
        store.compact_when_idle(0, always)

    assert store._open["good"]._deleted == 0
    assert failing.call_count == 1
    assert [said for said in caplog.messages if "a damaged segment" in said] == [
        "compacting bad failed, so it takes more disk: a damaged segment"
    ]
    monkeypatch.undo()
    store.close()


# --- clients -------------------------------------------------------------------------------


def test_a_client_finds_a_restarted_engine_by_itself(engine, store):
    store.ensure("c", SPEC)
    assert engine.ended() == 0
    engine.start_again()
    assert store.collections() == ("c",)


def test_without_an_engine_a_call_ends_soon_as_unavailable(engine, store):
    store.ping()
    engine.killed()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="away"):
        store.ping()
    assert time.monotonic() - began < 5


def test_a_write_waits_for_an_engine_that_is_restarted(engine, store):
    store.ensure("c", SPEC)
    writer = RemoteVectorStore(engine.socket, timeout=60, patience=60)
    engine.killed()
    again = threading.Timer(1.0, engine.start_again)
    again.start()
    try:
        writer.upsert("c", points("a", 3))
    finally:
        again.join()
    assert writer.count("c", "a") == 3
    writer.close()


def test_a_reader_waits_for_an_absent_engine_two_seconds_at_most(home):
    store = RemoteVectorStore(home / "nobody.sock", timeout=60, patience=60)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="away"):
        store.count("c")
    assert 1 < time.monotonic() - began < 10


def test_a_writer_has_no_more_patience_than_it_was_given(home):
    store = RemoteVectorStore(home / "nobody.sock", timeout=60, patience=1)
    with pytest.raises(Unavailable, match="away"):
        store.drop("c")


def test_a_worker_waits_for_an_engine_that_boots(home):
    boot = threading.Timer(1.0, lambda: booted.append(Engine(home)))
    booted: list[Engine] = []
    boot.start()
    try:
        wait_for_engine(RemoteVectorStore(home / "run" / "vectors.sock", timeout=20), patience=60)
    finally:
        boot.join()
        booted[0].killed()


def test_a_worker_does_not_wait_for_ever(home):
    with pytest.raises(Unavailable, match="away"):
        wait_for_engine(RemoteVectorStore(home / "nobody.sock", timeout=20), patience=0)


def test_a_hung_engine_is_timed_out(home):
    path = home / "hung.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        store = RemoteVectorStore(path, timeout=0.2)
        with pytest.raises(TimedOut, match="ping"):
            store.ping()


def test_an_answer_that_came_too_late_is_not_taken_for_the_next(home):
    path = home / "slow.sock"

    def play() -> None:
        for delay, answer in ((0.5, "late"), (0.0, "right")):
            connection, _ = listener.accept()
            wire.receive(connection)
            time.sleep(delay)
            try:
                wire.send(connection, wire.packed([None, (answer,)]))
            except OSError:
                connection.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        player = threading.Thread(target=play)
        player.start()
        store = RemoteVectorStore(path, timeout=0.2)
        with pytest.raises(TimedOut):
            store.collections()
        player.join(0.4)
        assert RemoteVectorStore.collections(_with_timeout(store, 5)) == ("right",)
        player.join(5)


def _with_timeout(store: RemoteVectorStore, seconds: float) -> RemoteVectorStore:
    store._timeout = seconds
    return store


def test_errors_keep_their_class_over_the_socket(store):
    with pytest.raises(UnknownCollection, match="nowhere"):
        store.count("nowhere")


def test_garbage_on_the_socket_harms_nobody(engine, store):
    for garbage in (
        b"\x00\x00\x00\x02\xc1\xc1",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x10half",
        os.urandom(100),
    ):
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(engine.socket))
            rude.sendall(garbage)
    store.ping()


@pytest.mark.parametrize("method", ["close", "__init__", "_create", "compact_when_idle", "no_such"])
def test_only_the_ports_calls_can_be_made(store, method):
    with pytest.raises(Exception, match="its log says why"):
        store._call(method)


def test_a_client_made_before_a_fork_works_in_parent_and_child(store):
    store.ensure("c", SPEC)
    store.ping()  # leaves an idle connection that the child inherits
    child = os.fork()
    if child == 0:
        try:
            for number in range(10):
                store.upsert("c", points(f"child{number}", 1))
            os._exit(0)
        finally:
            os._exit(1)
    for number in range(10):
        store.upsert("c", points(f"p{number}", 1))
    assert os.waitpid(child, 0)[1] == 0
    assert store.count("c") == 20


def test_many_threads_share_a_client(store):
    store.ensure("c", SPEC)
    store.upsert("c", points("a", 20))
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(store.count("c"))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert counts == [20] * 30


def test_a_client_imports_no_engine():
    code = "import sys, rag.vectors.edge.client, rag.filters; sys.exit('qdrant_edge' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
