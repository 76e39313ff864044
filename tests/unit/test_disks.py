"""Room on disks: a reserve for what was accepted, and parts that go on where something cannot be written."""

import asyncio
import os
import shutil
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
from redis.exceptions import ResponseError

from cli.supervisor.fork_client import ForkClient
from cli.supervisor.lockfile import StackFile
from cli.supervisor.logs import LogFile
from rag.blobs.buckets import Disks
from rag.errors import ConfigurationError, NoRoom, Unavailable
from rag.model import CollectionSpec
from rag.redis.connection import reaching_redis
from rag.redis.health import read_health
from rag.settings import Settings
from rag.system.disks import Room, require_engine_reserve
from rag.vectors.edge import store as edge
from rag.vectors.edge.store import EdgeVectorStore
from tests.contract.vectors.points import DOCS, SPEC, point

MB = 1 << 20
SAID = "MISCONF Errors writing to the AOF file: No space left on device"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def leave(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have every disk be of 1000 MB, with so many bytes free."""

    def left(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000 * MB, 1000 * MB - free, free))

    return left


def test_a_twentieth_of_a_disk_is_kept_and_64_mb_of_a_large_one() -> None:
    assert Room(Path("/"), 0, 200 * MB).reserve == 10 * MB
    assert Room(Path("/"), 0, 5000 * MB).reserve == 64 * MB


def test_new_jobs_are_refused_before_the_engine_stops_to_write(
    leave: Callable[[int], None], tmp_path: Path
) -> None:
    leave(40 * MB)

    with pytest.raises(NoRoom, match=r"has 40\.0 MB free, and 50\.0 MB are kept in reserve") as refusal:
        Disks(tmp_path).admit()
    require_engine_reserve(tmp_path)
    leave(10 * MB)
    with pytest.raises(NoRoom):
        require_engine_reserve(tmp_path)

    assert refusal.value.retry_after


def test_a_disk_with_hardly_a_file_left_has_no_room(
    leave: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leave(500 * MB)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=10_000, f_favail=200))
    with pytest.raises(NoRoom, match="room for 200 more files, and 500 are kept in reserve"):
        Disks(tmp_path).admit()
    require_engine_reserve(tmp_path)

    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=10_000, f_favail=12))
    with pytest.raises(NoRoom, match="room for 12 more files"):
        require_engine_reserve(tmp_path)


def test_a_disk_that_counts_no_files_sets_them_no_limit(
    leave: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leave(500 * MB)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=0, f_favail=0))

    Disks(tmp_path).admit()


def test_a_folder_that_is_not_there_yet_is_judged_by_where_it_will_be(tmp_path: Path) -> None:
    assert Room.of(tmp_path / "a" / "b").total == shutil.disk_usage(tmp_path).total


def test_only_what_writes_on_this_machine_is_looked_at(tmp_path: Path) -> None:
    far = Settings(
        aegis_home=tmp_path,
        redis_url="redis://far",
        qdrant_url="http://far",
        blob_url="s3://bucket",
    )

    assert list(Disks.of(far).rooms()) == []
    assert [room.folder for room in Disks.of(Settings(aegis_home=tmp_path)).rooms()] == [
        tmp_path,
        tmp_path / "blobs",
    ]


def test_a_store_without_room_says_so_and_goes_on_when_there_is_some(
    leave: Callable[[int], None], tmp_path: Path
) -> None:
    store = EdgeVectorStore(tmp_path / "vectors")
    store.ensure(DOCS, SPEC)
    leave(MB)
    with pytest.raises(NoRoom):
        store.upsert(DOCS, [point("refused")])
    with pytest.raises(NoRoom):
        store.ensure("other", CollectionSpec(8))
    leave(500 * MB)

    store.upsert(DOCS, [point("kept")])

    assert store.count(DOCS) == 1
    store.close()


def test_a_collection_that_could_not_be_opened_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = EdgeVectorStore(tmp_path)
    first.ensure(DOCS, SPEC)
    first.upsert(DOCS, [point("kept")])
    first.close()

    def full(*_: object) -> None:
        raise Unavailable("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(edge, "EdgeCollection", full)
        store = EdgeVectorStore(tmp_path)
    with pytest.raises(Unavailable, match="cannot be opened"):
        store.count(DOCS)
    monkeypatch.setattr(edge, "_REOPEN_SECONDS", 0)

    assert store.count(DOCS) == 1
    store.close()


def test_a_collection_is_not_opened_without_room(
    leave: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leave(500 * MB)
    first = EdgeVectorStore(tmp_path)
    first.ensure(DOCS, SPEC)
    first.upsert(DOCS, [point("kept")])
    first.close()
    monkeypatch.setattr(edge, "_REOPEN_SECONDS", 0)
    leave(MB)

    with monkeypatch.context() as patch:
        patch.setattr(edge, "EdgeCollection", Mock(side_effect=AssertionError("opened")))
        store = EdgeVectorStore(tmp_path)
        with pytest.raises(NoRoom):
            store.count(DOCS)
    leave(500 * MB)

    assert store.count(DOCS) == 1
    store.close()


@pytest.mark.parametrize(
    "said", [SAID, f"Command # 1 (SET {{aegis}}:sign:x 1) of pipeline caused error: {SAID}"]
)
def test_a_broker_that_refuses_writes_is_away_also_within_a_pipeline(said: str) -> None:
    with pytest.raises(Unavailable, match="cannot take writes now: MISCONF"), reaching_redis():
        raise ResponseError(said)


def test_a_broker_that_cannot_write_passes_and_is_no_wrong_setting() -> None:
    info = {"aof_enabled": 1, "aof_last_write_status": "err", "redis_version": "8.0.0"}
    client: Any = SimpleNamespace(info=lambda: info, get=lambda _: None)

    found = read_health(client, may_forget=False)

    assert found.risks == ()
    with pytest.raises(Unavailable, match="make room on its disk"):
        found.require_safe()


def test_a_log_that_cannot_be_written_tells_later_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = LogFile(tmp_path, "api")
    log.write(b"before\n")
    room, log._file = log._file, FileIO("/dev/full", "a")

    log.write(b"12345\n")
    log._file = room
    log.write(b"after\n")
    log.close()

    before, blank, gap, after = (tmp_path / "api.log").read_text().splitlines()
    assert (before, blank, after) == ("before", "", "after")
    assert gap.endswith("WARNING api 6 bytes are missing here: they could not be written")


def test_a_log_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "api.log").mkdir()
    log = LogFile(tmp_path, "api")
    log.write(b"12345\n")
    (tmp_path / "api.log").rmdir()

    log.write(b"after\n")
    log.close()
    log.write(b"too late\n")

    _, gap, after = (tmp_path / "api.log").read_text().splitlines()
    assert gap.endswith("6 bytes are missing here: they could not be written")
    assert after == "after"


def test_a_log_that_was_never_opened_stays_closed(tmp_path: Path) -> None:
    (tmp_path / "api.log").mkdir()
    log = LogFile(tmp_path, "api")
    log.close()
    (tmp_path / "api.log").rmdir()

    log.write(b"too late\n")

    assert not (tmp_path / "api.log").exists()


def test_a_file_in_place_of_the_folder_of_logs_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")

    with pytest.raises(ConfigurationError, match="logs is no folder"):
        asyncio.run(
            ForkClient.open(environment={}, folder=tmp_path, log=tmp_path / "logs" / "fork-server.log")
        )


def test_a_fork_server_starts_without_its_log(tmp_path: Path) -> None:
    (tmp_path / "fork-server.log").mkdir()

    async def open_and_close() -> int:
        fork_client = await ForkClient.open(
            environment=os.environ, folder=tmp_path, log=tmp_path / "fork-server.log"
        )
        await fork_client.close()
        return fork_client.pid

    assert asyncio.run(open_and_close()) > 0


def test_a_log_that_cannot_begin_anew_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = LogFile(tmp_path, "api")
    monkeypatch.setattr("cli.supervisor.logs.ROTATE_BYTES", 4)

    def full() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log, "_open", full)
        log.write(b"lost\n")
        log.write(b"lost\n")
    log.write(b"kept\n")
    log.close()

    assert "10 bytes are missing here" in (tmp_path / "api.log").read_text()
    assert "kept" in (tmp_path / "api.log").read_text()


def test_a_stack_file_that_cannot_be_written_is_written_with_the_next_change(tmp_path: Path) -> None:
    stack_file = StackFile(tmp_path / "gone" / "stack.json")
    stack_file.add("one", 1)
    (tmp_path / "gone").mkdir()

    stack_file.add("two", 1)

    assert stack_file._read()["parts"].keys() == {"one", "two"}
