"""Given blobs in a folder, when power is cut, then what was durable is there, and what was removed is not."""

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from rag.blobs import redo_log
from rag.blobs.store import LOGGED, ObstoreBlobs
from rag.errors import NotFound
from rag.system import append_log
from rag.system.append_log import AppendLog
from tests.unsynced import UnsyncedFolder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the log needs syncfs(2)")


class Machine(UnsyncedFolder):
    """Such a folder, and the processes that have it open."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root / "blobs", root, monkeypatch)
        self.stores = [self.open()]

    @property
    def blobs(self) -> ObstoreBlobs:
        return self.stores[0]

    def end_processes(self) -> None:
        self.stores.clear()
        gc.collect()

    def lose_power(self) -> None:
        self.end_processes()
        super().lose_power()
        self.stores = [self.open()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    yield Machine(tmp_path, monkeypatch)
    gc.collect()


def test_what_was_put_is_there_and_whole(machine: Machine) -> None:
    machine.blobs.put("a/b/c", b"first")
    machine.blobs.put("empty", b"")
    machine.blobs.put("limit", b"x" * LOGGED)
    machine.blobs.put_all({f"many/{n}": b"%d" % n for n in range(30)})

    machine.lose_power()

    assert (machine.blobs.get("a/b/c"), machine.blobs.get("empty")) == (b"first", b"")
    assert machine.blobs.get("limit") == b"x" * LOGGED
    assert [machine.blobs.get(f"many/{n}") for n in range(30)] == [b"%d" % n for n in range(30)]


def test_the_last_put_counts(machine: Machine) -> None:
    other = machine.open()
    machine.blobs.put("a", b"first")
    other.put("a", b"second")
    machine.blobs.put("a", b"third")
    machine.stores.append(other)
    del other
    machine.lose_power()
    assert machine.blobs.get("a") == b"third"


def test_what_another_process_removed_stays_removed(machine: Machine) -> None:
    machine.stores.append(machine.open())
    machine.blobs.put("a", b"1")
    machine.sync()
    machine.stores[1].delete("a")
    machine.sync()
    machine.lose_power()
    with pytest.raises(NotFound):
        machine.blobs.get("a")


def test_a_large_blob_that_replaced_a_small_one_is_not_undone(machine: Machine) -> None:
    machine.blobs.put("a", b"small")
    machine.blobs.put("a", BytesIO(b"x" * (LOGGED + 1)))
    machine.sync()  # as the large blob's own sync does
    machine.lose_power()
    assert machine.blobs.length("a") == LOGGED + 1


def test_what_did_not_wait_is_durable_with_the_next_that_does(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(append_log, "_sync", syncs.append)
    machine.blobs.put("source", b"1", wait=False)
    assert not syncs
    machine.blobs.put("entry", b"2")
    assert len(syncs) == 1
    machine.lose_power()
    assert (machine.blobs.get("source"), machine.blobs.get("entry")) == (b"1", b"2")


def test_many_callers_need_few_syncs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def slow_sync(file: int) -> None:
        syncs.append(file)
        begun.set()
        assert go_on.wait(10)

    monkeypatch.setattr(append_log, "_sync", slow_sync)
    machine.blobs.put("before", b"", wait=False)
    threads = [threading.Thread(target=machine.blobs.put, args=[f"a/{n}", b"1"]) for n in range(40)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: numbers_given(machine) == 41)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(syncs) == 2


def test_when_a_segment_has_grown_then_the_disk_is_synced_once_and_the_segment_removed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redo_log, "LOGGED_BYTES", 3_000)
    before = machine.disk_syncs
    for number in range(40):
        machine.blobs.put(f"a/{number}", b"x" * 500)
    assert 2 <= machine.disk_syncs - before <= 10
    assert machine.segments == 1
    machine.lose_power()
    assert len(list(machine.blobs.keys("a"))) == 40


def test_what_was_removed_before_the_disk_was_synced_does_not_come_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.stores.append(machine.open())
    machine.blobs.put("a", b"1")
    machine.stores[1].delete("a")
    monkeypatch.setattr(redo_log, "LOGGED_BYTES", 0)
    machine.stores[1].put("b", b"2")  # removes the segment that knows of the removal
    machine.lose_power()
    assert not machine.blobs.exists("a")
    assert machine.blobs.get("b") == b"2"


def test_when_a_process_ends_then_the_next_one_makes_its_blobs_durable_and_takes_nothing_back(
    machine: Machine,
) -> None:
    machine.blobs.put("a", b"1")
    machine.end_processes()
    machine.stores = [machine.open()]
    machine.blobs.delete("a")
    machine.sync()
    machine.blobs.put("b", b"2")
    assert machine.segments == 1
    machine.lose_power()
    assert list(machine.blobs.keys("")) == ["b"]


def test_when_power_is_cut_while_the_blobs_are_written_again_then_the_next_start_does_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        machine.blobs.put(f"a/{number}", b"1")
    machine.lose_power()
    with monkeypatch.context() as patched:
        patched.setattr(redo_log, "sync_file_system", lambda _: os.fsync(9999))
        with pytest.raises(Exception, match="Bad file descriptor"):
            machine.blobs.get("a/0")
    machine.lose_power()
    assert len(list(machine.blobs.keys("a"))) == 5


def test_when_the_log_cannot_be_synced_then_the_files_are(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machine.disk_syncs
    with monkeypatch.context() as patched:
        patched.setattr(append_log, "_sync", lambda _: os.fsync(9999))
        machine.blobs.put("a", b"1")
    assert machine.disk_syncs == before + 1
    machine.lose_power()
    assert machine.blobs.get("a") == b"1"


def test_the_segments_of_living_processes_are_left_alone(machine: Machine) -> None:
    other = [
        *(sys.executable, "-c"),
        "import sys; from rag.blobs.store import ObstoreBlobs; b = ObstoreBlobs(sys.argv[1]);"
        "b.put('a', b'1'); print('put', flush=True); sys.stdin.read()",
    ]
    with subprocess.Popen(
        [*other, f"file://{machine.folder}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"put\n"
        machine.blobs.put("b", b"2")
        assert machine.segments == 2
        process.kill()
    assert sorted(machine.open().keys("")) == ["a", "b"]
    assert machine.segments == 1


def test_when_a_segment_is_old_then_an_idle_process_removes_it_and_no_file_has_what_was_deleted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redo_log, "RETIRED_SECONDS", 0.1)
    monkeypatch.setattr(redo_log, "CHECKED_SECONDS", 0.01)
    store = machine.open()
    store.put("a", b"a secret")
    store.put("b", b"kept")
    store.delete("a")
    wait_until(lambda: machine.segments == 0)
    assert not files_with(b"a secret", machine.folder)
    machine.stores.append(store)
    del store
    machine.lose_power()
    assert list(machine.blobs.keys("")) == ["b"]


def test_a_young_segment_stays(machine: Machine) -> None:
    machine.blobs.put("a", b"1")
    log_of(machine).retire_old()
    assert machine.segments == 1


def test_what_a_killed_process_left_is_removed_by_one_that_runs(machine: Machine) -> None:
    running = machine.open()
    running.put("b", b"2")
    machine.blobs.put("a", b"a secret")
    machine.end_processes()
    running.delete("a")
    assert running._log is not None
    running._log.retire_old()
    assert machine.segments == 1
    assert not files_with(b"a secret", machine.folder)


@pytest.mark.parametrize("owner", [redo_log, AppendLog, Path])
@pytest.mark.parametrize("left", [True, False], ids=["of an ended process", "its own"])
def test_when_a_process_is_killed_while_it_retires_a_segment_then_nothing_is_lost(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, owner: object, left: bool
) -> None:
    step = {redo_log: "sync", AppendLog: "clear", Path: "unlink"}[owner]
    if left and step == "clear":
        pytest.skip("a segment of another process is not emptied first")
    running = machine.open()
    running.put("b", b"3")
    machine.blobs.put("a", b"1")
    machine.blobs.put("gone", b"2")
    machine.blobs.delete("gone")
    if left:
        machine.end_processes()
        machine.stores.append(running)
    del running
    monkeypatch.setattr(redo_log, "RETIRED_SECONDS", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, lambda *_, **__: os.fsync(9999))
        with pytest.raises(OSError, match="Bad file"):
            log_of(machine).retire_old()
    machine.lose_power()
    assert machine.blobs.get("a") == b"1"
    assert not machine.blobs.exists("gone")


def log_of(machine: Machine) -> redo_log.RedoLog:
    assert machine.blobs._log is not None
    return machine.blobs._log


def files_with(text: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def numbers_given(machine: Machine) -> int:
    assert machine.blobs._log is not None
    assert machine.blobs._log._segment is not None
    return machine.blobs._log._segment._appended


def wait_until(true: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1000):
        if true():
            return
        waiting.wait(0.01)
    pytest.fail("it did not come to that")
