"""A disk that is full, seen from the outside: 503 problems, nothing half stored, stages tried again."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MB = 1 << 20
_MOUNTED = 'mount -t tmpfs -o size=2m none "$1" && shift && exec "$@"'


def _on_a_small_disk(home: Path, command: list[str]) -> "subprocess.CompletedProcess[str]":
    """In a mount namespace of its own, where ``home`` is a disk of 2 MB; skipped where none can be made."""
    alone = "-m" if os.geteuid() == 0 else "-rm"
    done = _run(["unshare", alone, "sh", "-c", _MOUNTED, "-", str(home), *command])
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    return done


def _with_small_files(_home: Path, command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Where no file may grow over 2 MB, which needs nobody's leave."""
    return _run(command, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MB, 2 * MB)))


def _run(command: list[str], before: Callable[[], None] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, timeout=150, check=False, preexec_fn=before
    )


def _story(run: Callable[..., "subprocess.CompletedProcess[str]"], valkey: str, home: Path) -> dict[str, Any]:
    """What :mod:`tests.integration.fulldisk` saw."""
    done = run(home, [sys.executable, "-m", "tests.integration.fulldisk", valkey, str(home)])
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _put_off(answer: dict[str, Any]) -> bool:
    problem = answer["type"] == "application/problem+json"
    return answer["status"] == 503 and problem and int(answer["retry_after"]) > 0


@pytest.mark.parametrize("run", [_on_a_small_disk, _with_small_files], ids=["full", "limited"])
def test_what_does_not_fit_is_put_off_and_leaves_nothing(
    run: Callable[..., "subprocess.CompletedProcess[str]"], valkey: str, tmp_path: Path
) -> None:
    story = _story(run, valkey, tmp_path)
    answers, stage = story["answers"], story["stage"]

    assert answers["small"]["status"] == 202
    assert all(_put_off(answers[name]) for name in ("text", "file", "spooled")), answers
    assert answers["room"]["status"] == 202
    sources = [name for name in story["files"] if name.startswith("blobs/sources/")]
    assert len(sources) == sum(answers[name]["status"] == 202 for name in ("small", "room for bytes"))
    files = [name for name in story["files"] if not name.startswith("blobs/redo/")]  # of the log of blobs
    assert not any("#" in name for name in files)  # how unfinished blobs are named
    assert stage["word"].startswith("again: Blob store")
    assert (stage["state"], stage["stage"]) == ("queued", "embed")


def test_a_promise_that_cannot_be_written_down_is_not_made(valkey: str, tmp_path: Path) -> None:
    story = _story(_on_a_small_disk, valkey, tmp_path)

    assert all(_put_off(story["answers"][name]) for name in ("no room", "room for bytes")), story
    assert story["answers"]["room for bytes"]["kept"] == 0
    assert "is full: free some space" in story["answers"]["no room"]["detail"]
    assert story["jobs"] == 2  # "small", and "room" after it
