"""What one engine's backup holds comes back into any: a Qdrant cluster, a lone server, the embedded one."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest
import redis
from qdrant_client import models

from rag.model import JobState, Stage
from rag.vectors.qdrant.snapshots import recovery
from rag.vectors.qdrant.snapshots.snapshots import QdrantSnapshots
from tests.deliveries import finished
from tests.integration.brokers import declare_intact
from tests.integration.inprocess import DIMENSIONS, OLD
from tests.integration.installations import (
    COLLECTION,
    Install,
    answered,
    backed_up,
    desk_of,
    digest_of,
    ingested,
    installations,
    names,
    restoring,
    seen,
    succeeded,
)
from tests.integration.restores.steps import until
from tests.qdrantbinary import BINARY, QdrantNode, cluster
from tests.qdrantlocal import LocalQdrant
from tests.qdrantpeer import Shards
from tests.qdrantserver import QdrantServer, serving

ACTIVE = models.ReplicaState.ACTIVE
ENGINES = ("cluster", "server", "embedded")


@pytest.fixture
def installed(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    monkeypatch.setattr(recovery, "_LOOK_SECONDS", 0.01)
    with installations(valkey, tmp_path, monkeypatch) as install:
        yield install


@contextmanager
def stand_ins(size: int) -> Iterator[Sequence[QdrantServer]]:
    """One server, or three nodes of which each holds two of three shards."""
    spread = {0: {1: ACTIVE, 2: ACTIVE}, 1: {2: ACTIVE, 3: ACTIVE}, 2: {3: ACTIVE, 1: ACTIVE}}
    local, shards = LocalQdrant(), Shards(spread, {1, 2, 3}) if size > 1 else None
    servers = [QdrantServer(local=local, peer=peer, cluster=shards) for peer in range(1, size + 1)]
    with ExitStack() as running:
        yield [running.enter_context(serving(server)) for server in servers]


@contextmanager
def real_ones(folder: Path, size: int) -> Iterator[Sequence[QdrantNode]]:
    if size > 1:
        with cluster(folder, size) as nodes:
            yield nodes
        return
    node = QdrantNode(folder)
    try:
        yield [node]
    finally:
        node.kill()


class Servers:
    """``QDRANT_BIN`` where there is one, else stand-ins."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder, self._running, self._started = folder, running, count()

    def addresses(self, engine: str) -> str | None:
        """QDRANT_URL of new, empty servers; None for the embedded engine."""
        if engine == "embedded":
            return None
        size = 3 if engine == "cluster" else 1
        folder = self._folder / f"qdrant{next(self._started)}"
        servers = self._running.enter_context(stand_ins(size) if BINARY is None else real_ones(folder, size))
        return ",".join(server.url for server in servers)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with ExitStack() as running:
        yield Servers(tmp_path, running)


@pytest.mark.parametrize("saved_by", ENGINES)
@pytest.mark.parametrize("loaded_by", ENGINES)
def test_everything_comes_back(
    installed: Install, servers: Servers, redis_client: redis.Redis, saved_by: str, loaded_by: str
) -> None:
    tools = installed("lost", qdrant_url=servers.addresses(saved_by))
    desk, words = desk_of(tools), "Who hangs the lantern of isle05?"
    tools.documents.put_collection(COLLECTION, OLD, DIMENSIONS[OLD])
    ingested(tools, desk, *names(7))
    assert finished(tools, desk.delete_document(COLLECTION, "isle03").id).state is JobState.SUCCEEDED
    before, digest, hits = seen(tools), digest_of(tools), answered(tools, desk, words)
    manifest = backed_up(tools, desk)
    assert manifest.engine.kind == ("edge" if saved_by == "embedded" else "qdrant")
    assert tools.snapshots.taken() == ()

    redis_client.flushall()
    declare_intact(redis_client)
    tools = installed("found", qdrant_url=servers.addresses(loaded_by))
    desk = desk_of(tools)
    rehearsal = succeeded(tools, desk.backups.rehearse("latest").job.id)
    assert (rehearsal.result or {})["overlap"] == 1.0
    assert tools.vectors.collections() == ()
    restored = succeeded(tools, restoring(desk))

    assert (restored.result or {})["missing"] == []
    assert (seen(tools), digest_of(tools)) == (before, digest)
    again = answered(tools, desk, words)
    assert again[0] == hits[0] == "isle05"
    assert saved_by != loaded_by or again == hits  # a cluster weighs words by shard


@pytest.mark.parametrize("saved_by", ["cluster", "server"])
@pytest.mark.parametrize("loaded_by", ENGINES)
def test_a_full_backup_comes_back_with_what_came_after_its_snapshot(  # noqa: PLR0917 - fixtures
    installed: Install,
    servers: Servers,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    saved_by: str,
    loaded_by: str,
) -> None:
    """From the snapshot where the engine takes it, else from the points."""
    tools = installed("lost", qdrant_url=servers.addresses(saved_by))
    desk = desk_of(tools)
    tools.documents.put_collection(COLLECTION, OLD, DIMENSIONS[OLD])
    ingested(tools, desk, *names(5))
    backup = desk.backups.back_up("full", "request").job.id
    until(tools, backup, Stage.UPLOAD)
    ingested(tools, desk, "fresh")
    ingested(tools, desk, "isle01", text="The buoy of isle01 is red.")
    assert finished(tools, desk.delete_document(COLLECTION, "isle03").id).state is JobState.SUCCEEDED
    before, digest = seen(tools), digest_of(tools)
    succeeded(tools, backup)

    redis_client.flushall()
    declare_intact(redis_client)
    tools = installed("found", qdrant_url=servers.addresses(loaded_by))
    loaded: list[str] = []
    real = QdrantSnapshots.load
    monkeypatch.setattr(
        QdrantSnapshots, "load", lambda self, store, *more: (loaded.append(store), real(self, store, *more))
    )
    restored = succeeded(tools, restoring(desk_of(tools)))

    assert (restored.result or {})["reingested"] == 0
    assert (seen(tools), digest_of(tools)) == (before, digest)
    takes_it = loaded_by == "cluster" or (loaded_by, saved_by) == ("server", "server")
    assert len(loaded) == takes_it
