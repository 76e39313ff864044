"""Given a log on disk, when threads append, disks fail or power is cut, then what was synced is read."""

import os
import threading
from pathlib import Path

import pytest

from rag.system import append_log
from rag.system.append_log import AppendLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def reread(log: AppendLog, path: Path) -> list[bytes]:
    """What the next process reads."""
    log.close()
    return list(AppendLog(path).records())


def test_when_it_is_opened_again_then_it_has_the_records_in_order(path: Path) -> None:
    log = AppendLog(path)
    for body in (b"first", b"", b"third" * 10_000):
        log.sync(log.append(body))
    assert reread(log, path) == [b"first", b"", b"third" * 10_000]


@pytest.mark.parametrize("lost", [1, 7, 9, 13])
def test_when_its_end_is_cut_off_then_the_records_before_are_read(path: Path, lost: int) -> None:
    log = AppendLog(path)
    log.append(b"first")
    log.append(b"other")
    os.truncate(path, log.size - lost)
    assert reread(log, path) == [b"first"]


def test_when_bytes_of_a_record_are_lost_then_it_and_those_behind_it_are_not_read(path: Path) -> None:
    log = AppendLog(path)
    log.append(b"first")
    second = log.size
    log.append(b"other")
    log.append(b"third")
    with path.open("r+b") as file:
        file.seek(second + 9)
        file.write(b"\0\0")
    assert reread(log, path) == [b"first"]


def test_when_many_wait_for_a_sync_then_they_share_the_next_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs, begun, go_on = [], threading.Event(), threading.Event()

    def slow_sync(_: int) -> None:
        syncs.append(1)
        begun.set()
        assert go_on.wait(10)

    monkeypatch.setattr(append_log, "_sync", slow_sync)
    log = AppendLog(path)
    first = threading.Thread(target=log.sync, args=[log.append(b"first")])
    first.start()
    assert begun.wait(10)
    others = [threading.Thread(target=log.sync, args=[log.append(b"other")]) for _ in range(20)]
    for thread in others:
        thread.start()
    go_on.set()
    for thread in (first, *others):
        thread.join(10)
    assert len(syncs) == 2


def test_when_a_sync_fails_then_nothing_counts_as_durable_until_it_is_cleared(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AppendLog(path)
    with monkeypatch.context() as patched:
        patched.setattr(append_log, "_sync", lambda _: os.fsync(9999))
        with pytest.raises(OSError, match="Bad file descriptor"):
            log.sync(log.append(b"first"))
    with pytest.raises(OSError, match="earlier sync"):
        log.sync(log.append(b"second"))
    log.clear()
    log.sync(log.append(b"third"))
    assert reread(log, path) == [b"third"]


def test_when_the_disk_is_full_in_the_middle_of_a_record_then_later_ones_can_be_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AppendLog(path)
    log.append(b"first")

    def half(file: int, record: bytes) -> None:
        os.write(file, record[:9])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(append_log, "_write", half)
        with pytest.raises(OSError, match="No space"):
            log.append(b"second")
    log.append(b"third")
    assert reread(log, path) == [b"first", b"third"]


def test_when_it_is_cleared_then_earlier_records_are_durable_and_gone(path: Path) -> None:
    log = AppendLog(path)
    number = log.append(b"first")
    log.clear()
    log.sync(number)
    assert reread(log, path) == []


def test_when_it_is_open_then_nobody_else_opens_it(path: Path) -> None:
    log = AppendLog(path)
    with pytest.raises(BlockingIOError):
        AppendLog(path)
    log.close()
    AppendLog(path)
