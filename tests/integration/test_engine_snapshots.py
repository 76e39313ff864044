"""Copies of the embedded engine: its process ends in the middle, disks are full or slow, little changed."""

import logging
import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from rag.digest import digests
from rag.errors import InvalidRequest, NotFound, Unavailable
from rag.model import CollectionSpec, Passage, Point, SnapshotFile, SparseVector
from rag.naming import point_id
from rag.settings import Settings
from rag.stores.vectors.copying import pausing
from rag.stores.vectors.edge import EdgeVectorStore
from rag.stores.vectors.remote import RemoteVectorStore
from rag.stores.vectors.snapshots import EdgeSnapshots
from tests.contents import total
from tests.integration.vectorengine import Engine

SPEC = CollectionSpec(8, 64)
NAME, AGAIN = "0199a7c2-1", "0199a7c2-2"


@pytest.fixture
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="aegis-") as folder:
        yield Path(folder)


@pytest.fixture
def engine(home: Path) -> Iterator[Engine]:
    engine = Engine(home)
    yield engine
    engine.killed()


@pytest.fixture
def store(home: Path) -> Iterator[EdgeVectorStore]:
    """In this process, with 300 points in "c"."""
    with closing(EdgeVectorStore(home / "vectors")) as store:
        store.ensure("c", SPEC)
        store.upsert("c", points(0, 300))
        yield store


def points(first: int, count: int) -> list[Point]:
    """A document each, with 6 KB of token vectors."""
    random = np.random.default_rng(first)
    return [
        Point(
            Passage(point_id("c", f"d{number}", 1, 0), f"d{number}", 1, 0, "text", "title", 0, 4),
            random.normal(size=8).astype(np.float32),
            SparseVector(np.array([1], np.uint32), np.array([1.0], np.float32)),
            random.normal(size=(48, 64)).astype(np.float16),
        )
        for number in range(first, first + count)
    ]


def snapshots_of(home: Path, owner: RemoteVectorStore | EdgeVectorStore) -> EdgeSnapshots:
    return EdgeSnapshots(Settings(aegis_home=home), owner)


def content(store: RemoteVectorStore | EdgeVectorStore, collection: str):
    page = store.scroll(collection, after=None, limit=1000)
    found = list(page.items)
    while page.next:
        page = store.scroll(collection, after=page.next, limit=1000)
        found += page.items
    return total(digests(found))


def streams(snapshots: EdgeSnapshots, name: str) -> dict[SnapshotFile, bytes]:
    return {file: b"".join(snapshots.read(name, file)) for file in snapshots.take(name, ["c"])}


def hidden(home: Path) -> list[str]:
    """What lies beside the collections."""
    return [path.name for path in (home / "vectors").glob(".*")]


# --- the engine's process ----------------------------------------------------------------------


def test_an_engine_killed_while_it_copies_copies_again_when_it_is_back(home, engine):
    client = RemoteVectorStore(engine.socket, timeout=60, patience=60)
    client.ensure("c", SPEC)
    client.upsert("c", points(0, 100))
    snapshots = snapshots_of(home, client)
    taking = threading.Thread(target=lambda: taken.append(snapshots.take(NAME, ["c"])))
    taken: list[tuple[SnapshotFile, ...]] = []

    taking.start()
    until(lambda: list((home / "vectors").glob(".copying-*")))
    engine.killed()
    engine.start_again()
    taking.join(60)

    assert hidden(home) == [f".copy-{NAME}"]
    assert {file.store for file in taken[0]} == {"c"}
    restored(snapshots, taken[0])
    assert content(client, "loaded") == content(client, "c")


def test_a_copy_outlives_its_engine_until_it_is_released(home, engine):
    client = RemoteVectorStore(engine.socket, timeout=60, patience=60)
    client.ensure("c", SPEC)
    client.upsert("c", points(0, 100))
    snapshots = snapshots_of(home, client)
    files = snapshots.take(NAME, ["c"])
    before = content(client, "c")
    engine.killed()
    engine.start_again()
    client.drop("c")
    assert snapshots.taken() == (NAME,)
    restored(snapshots, files)
    snapshots.release(NAME)
    assert content(client, "loaded") == before
    assert hidden(home) == []


def test_an_engine_that_restarts_leaves_a_load_alone(home, engine):
    client = RemoteVectorStore(engine.socket, timeout=60, patience=60)
    client.ensure("c", SPEC)
    client.upsert("c", points(0, 100))
    snapshots = snapshots_of(home, client)
    files = snapshots.take(NAME, ["c"])

    def restarting(file: SnapshotFile, start: int) -> Iterator[bytes]:
        assert engine.ended() == 0
        engine.start_again()
        yield from snapshots.read(NAME, file, start)

    snapshots.load(
        "loaded",
        SPEC,
        snapshots.engine,
        [(file, partial(restarting, file)) for file in files],
        lambda _: None,
    )
    assert content(client, "loaded") == content(client, "c")


def restored(snapshots: EdgeSnapshots, files: tuple[SnapshotFile, ...]) -> None:
    opened = [(file, partial(snapshots.read, NAME, file)) for file in files]
    snapshots.load("loaded", SPEC, snapshots.engine, opened, lambda _: None)


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# --- what changed --------------------------------------------------------------------------------


def test_a_copy_of_what_has_not_changed_has_the_same_streams(home, store):
    snapshots = snapshots_of(home, store)
    first = streams(snapshots, NAME)
    assert streams(snapshots, AGAIN) == first


def test_rows_of_token_vectors_that_stay_are_the_same_streams_also_after_a_load(home, store):
    store.upsert("c", points(300, 900))
    snapshots = snapshots_of(home, store)
    first = tokens(streams(snapshots, NAME))
    store.upsert("c", points(1200, 10))
    store.delete("c", "d700")
    second = streams(snapshots, AGAIN)

    opened = [(file, partial(snapshots.read, AGAIN, file)) for file in second]
    snapshots.load("c", SPEC, snapshots.engine, opened, lambda _: None)
    snapshots.release(NAME)

    assert len(first) == 3
    assert [path for path, data in tokens(second).items() if first[path] != data] == [
        "tokens/00000001",
        "tokens/00000002",
    ]
    assert tokens(streams(snapshots, NAME)) == tokens(second)


def tokens(files: dict[SnapshotFile, bytes]) -> dict[str, bytes]:
    return {file.path: data for file, data in files.items() if file.path.startswith("tokens/")}


# --- what goes wrong -------------------------------------------------------------------------------


def test_a_copy_that_is_not_done_in_time_lets_writes_go_and_is_given_up(home, store, monkeypatch, caplog):
    monkeypatch.setattr(pausing, "HELD_SECONDS", 0.01)
    monkeypatch.setattr(pausing, "_BETWEEN", 0.0)
    with a_write_to(store, "c"), pytest.raises(Unavailable, match="too slow"):
        snapshots_of(home, store).take(NAME, ["c"])
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 5
    store.upsert("c", points(300, 1))
    assert hidden(home) == []


def a_write_to(store: EdgeVectorStore, collection: str):
    """That does not end."""
    return store._open[collection].held(time.monotonic())


def test_without_room_nothing_is_copied_nor_loaded(home, store, monkeypatch):
    snapshots = snapshots_of(home, store)
    files = snapshots.take(NAME, ["c"])
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(200 << 20))
    with pytest.raises(Unavailable, match="MB are free"):
        snapshots.take(AGAIN, ["c"])
    with pytest.raises(Unavailable, match="MB are free"):
        restored(snapshots, files)
    assert store.collections() == ("c",)
    assert hidden(home) == [f".copy-{NAME}"]


def test_a_store_that_closes_ends_its_copy(home, store, monkeypatch):
    monkeypatch.setattr(pausing, "HELD_SECONDS", 0.01)
    errors: list[Unavailable] = []

    def take() -> None:
        try:
            snapshots_of(home, store).take(NAME, ["c"])
        except Unavailable as error:
            errors.append(error)

    taking = threading.Thread(target=take)
    with a_write_to(store, "c"):
        taking.start()
        until(lambda: list((home / "vectors").glob(".copying-*")))
        store._copies.close()
        taking.join(30)
    assert "being stopped" in str(errors[0])
    assert hidden(home) == []


def test_dropping_a_collection_drops_what_was_half_loaded_of_it(home, store):
    snapshots = snapshots_of(home, store)
    files = snapshots.take(NAME, ["c"])
    with pytest.raises(NotFound):
        snapshots.load("c-2", SPEC, snapshots.engine, [(files[0], partial(dropping, store))], lambda _: None)
    assert store.collections() == ("c",)
    assert hidden(home) == [f".copy-{NAME}"]


def dropping(store: EdgeVectorStore, _start: int) -> Iterator[bytes]:
    store.drop("c-2")
    raise NotFound("gone meanwhile")
    yield b""


@pytest.mark.parametrize("name", ["../c", "", "a/b", "a.b"])
def test_a_name_that_leads_elsewhere_is_refused(home, store, name):
    snapshots = snapshots_of(home, store)
    for call in (partial(snapshots.take, name, ["c"]), partial(snapshots.release, name)):
        with pytest.raises(InvalidRequest):
            call()
    with pytest.raises(InvalidRequest):
        store.adopt("c", f".loading-c~{name}/../c")
