"""Given writes that were acknowledged, when power is cut before the shard is flushed, then they are there."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from rag.errors import Unavailable
from rag.system import append_log
from rag.system.append_log import AppendLog
from rag.system.liveness import LivenessFile
from rag.vectors.edge import collection as collections
from rag.vectors.edge import folders, server, wire
from rag.vectors.edge.collection import EdgeCollection
from rag.vectors.edge.folders import CollectionFolder
from rag.vectors.edge.server import VectorServer
from rag.vectors.edge.store import EdgeVectorStore
from rag.vectors.edge.write_log import WriteLog
from rag.vectors.payload import Versions
from tests.contract.vectors.points import SPEC, point
from tests.system.running import until


class Machine:
    """A collection on a disk that keeps nothing but what was synced.

    ``lose_power`` puts all files back to how they were when the collection was opened, except for the log
    of writes, and opens the collection again.
    """

    def __init__(self, root: Path) -> None:
        draft = folders.create_draft(root, "docs", SPEC)
        EdgeCollection.create(draft)
        self.folder = folders.publish(draft, root)
        self._disk = root / ".disk"
        self._start()

    def lose_power(self) -> None:
        logged = self.folder.writes.read_bytes()
        self.collection._shard.close()
        self.collection._log.close()
        shutil.rmtree(self.folder.path)
        shutil.copytree(self._disk, self.folder.path)
        self.folder.writes.write_bytes(logged)
        self._start()

    def _start(self) -> None:
        shutil.rmtree(self._disk, ignore_errors=True)
        self.collection = EdgeCollection(CollectionFolder("docs", SPEC, self.folder.path))
        shutil.copytree(self.folder.path, self._disk)

    @property
    def ids(self) -> set[str]:
        page = self.collection.scroll(None, 100, None)
        assert all(each.tokens is not None for each in page.items)
        return {each.passage.chunk_id for each in page.items}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.collection.close()


def ids_of(*points: object) -> set[str]:
    return {each.passage.chunk_id for each in points}


def test_upserts_and_deletions_are_repeated_in_their_order(machine: Machine) -> None:
    kept, gone, back = point("kept"), point("gone"), point("back")
    old, new = point("changed", version=1), point("changed", version=2)
    for each in (kept, gone, back, old, new):
        machine.collection.upsert([each])
    machine.collection.delete("gone", Versions())
    machine.collection.delete("back", Versions())
    machine.collection.upsert([back])
    machine.collection.delete("changed", Versions(below=2))

    machine.lose_power()

    assert machine.ids == ids_of(kept, back, new)
    assert machine.folder.writes.stat().st_size == 0


def test_a_second_loss_of_power_takes_nothing_either(machine: Machine) -> None:
    machine.collection.upsert([point("a")])
    machine.lose_power()
    machine.collection.upsert([point("b")])
    machine.lose_power()
    assert machine.ids == ids_of(point("a"), point("b"))


def test_a_write_that_was_cut_off_in_the_log_is_lost_alone(machine: Machine) -> None:
    machine.collection.upsert([point("a")])
    whole = machine.folder.writes.stat().st_size
    machine.collection.upsert([point("b")])
    with machine.folder.writes.open("r+b") as file:
        file.truncate(whole + 20)
    machine.lose_power()
    assert machine.ids == ids_of(point("a"))


def test_when_the_log_has_grown_then_the_shard_is_flushed_and_the_log_emptied(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collections, "LOGGED_BYTES", 2_000)
    sizes = []
    for number in range(20):
        machine.collection.upsert([point(f"d{number}")])
        sizes.append(machine.folder.writes.stat().st_size)
    assert max(sizes) <= 2_000
    assert 0 in sizes
    assert len(machine.ids) == 20


def test_when_the_log_cannot_be_synced_then_the_shard_is_flushed_instead(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(append_log, "_sync", lambda _: os.fsync(9999))
        machine.collection.upsert([point("a")])
    assert machine.folder.writes.stat().st_size == 0
    machine.collection.upsert([point("b")])
    assert machine.folder.writes.stat().st_size > 0
    assert machine.ids == ids_of(point("a"), point("b"))


def test_a_record_that_this_version_does_not_know_is_not_passed_over(tmp_path: Path) -> None:
    log = AppendLog(tmp_path / "writes.log")
    log.append(wire.packed(["other", "a"]))
    log.close()
    with pytest.raises(Unavailable, match="log of writes"):
        list(WriteLog(tmp_path / "writes.log").writes())


def test_when_a_write_is_old_then_an_idle_collection_empties_its_log(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.collection.upsert([point("a")])
    machine.collection.delete("a", Versions())
    machine.collection.flush_if_old()
    assert b"text 0 of a" in machine.folder.writes.read_bytes()
    monkeypatch.setattr(collections, "RETIRED_SECONDS", 0.0)
    machine.collection.flush_if_old()
    assert machine.folder.writes.read_bytes() == b""


@pytest.mark.parametrize("step", ["clear", "flush"])
def test_when_a_flush_of_old_writes_breaks_off_then_nothing_is_lost(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    machine.collection.upsert([point("a")])
    monkeypatch.setattr(collections, "RETIRED_SECONDS", 0.0)
    part = machine.collection._log if step == "clear" else machine.collection._tokens
    with monkeypatch.context() as patched:
        patched.setattr(type(part), step, lambda _: os.fsync(9999))
        with pytest.raises(OSError, match="Bad file"):
            machine.collection.flush_if_old()
    machine.lose_power()
    assert machine.ids == ids_of(point("a"))


def test_an_engine_that_nobody_calls_empties_the_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collections, "RETIRED_SECONDS", 0.1)
    monkeypatch.setattr(server, "FLUSHED_SECONDS", 0.01)
    store = EdgeVectorStore(tmp_path / "vectors")
    store.ensure("docs", SPEC)
    store.upsert("docs", [point("a")])
    (logged,) = (tmp_path / "vectors").rglob("writes.log")
    assert logged.stat().st_size > 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        engine = VectorServer(store, listener, LivenessFile(tmp_path / "alive"))
        serving = Thread(target=engine.serve)
        serving.start()
        until(lambda: logged.stat().st_size == 0, 20)
        engine.stop()
        serving.join(20)
    assert store.count("docs") == 1
    store.close()
