"""The lock on AEGIS_HOME: one stack at a time, and which processes it has."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from time import time
from typing import Any

import psutil

from rag.errors import ConfigurationError, Conflict, NoRoom
from rag.system.disks import says_full
from rag.system.homes import is_process

_TRIAL_BYTES = 65_536
_CLOCK_SLACK = 2.0  # seconds by which a process may seem to be younger than its stack.json


class StackFile:
    """``stack.json``: the supervisor and the processes that it started, for the next start and for people.

    A change for which the disk has no room is skipped: the next change writes the whole file again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._processes: dict[str, dict[str, float]] = {}

    def add(self, name: str, pid: int) -> None:
        with suppress(psutil.NoSuchProcess):  # it may have ended already
            self._processes[name] = {"pid": pid, "started": psutil.Process(pid).create_time()}
        self._write()

    def remove(self, name: str) -> None:
        self._processes.pop(name, None)
        self._write()

    def kill_leftovers(self) -> list[str]:
        """Kill what is left of a stack whose supervisor was killed; returns the names of these services."""
        left = [
            (name, int(part["pid"]))
            for name, part in self._read().get("parts", {}).items()
            # The start time is compared too: the process id may belong to another program by now.
            if is_process(int(part["pid"]), part["started"])
        ]
        for _, pid in left:
            with suppress(ProcessLookupError, PermissionError):
                # The whole group, since a service may have children.
                os.killpg(pid, signal.SIGKILL)
        psutil.wait_procs([p for _, pid in left if (p := _process(pid))], timeout=5)
        self._write()
        return [name for name, _ in left]

    def written_by(self) -> tuple[int, float] | None:
        """Process id of the supervisor, and when it wrote the file, in seconds since 1970."""
        content = self._read()
        pid, written = content.get("supervisor"), content.get("written")
        return (pid, float(written)) if isinstance(pid, int) and isinstance(written, int | float) else None

    def _read(self) -> dict[str, Any]:
        # The file says which processes to kill, so another user's file counts as empty.
        try:
            with self._path.open(encoding="utf-8") as file:
                content = json.load(file) if os.fstat(file.fileno()).st_uid == os.geteuid() else {}
        except (FileNotFoundError, ValueError):  # not there yet, or cut off while it was written
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self) -> None:
        content = {"supervisor": os.getpid(), "written": time(), "parts": self._processes}
        draft = self._path.with_suffix(".new")
        with suppress(OSError):  # see the class
            draft.write_text(json.dumps(content, indent=1), "utf-8")
            draft.replace(self._path)


@contextmanager
def lock_home(home: Path) -> Iterator[StackFile]:
    """Lock ``home`` for one stack.

    Raises Conflict with the process that holds the lock, ConfigurationError for a home that cannot be made
    or written to, NoRoom when its disk is full.
    """
    _check_writable(home)
    stack_file = StackFile(home / "stack.json")
    with (home / "stack.lock").open("w") as lock:
        try:
            # The kernel releases the lock when the supervisor ends, however that happens.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = stack_file.written_by()
            raise Conflict(
                f"A stack is running in {home} already (process {holder[0] if holder else 'unknown'}). "
                "Stop it, or choose another AEGIS_HOME with other ports."
            ) from error
        yield stack_file


def is_locked(home: Path) -> bool:
    """Whether a stack runs in ``home``. Creates nothing there."""
    try:
        with (home / "stack.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False


def supervisor_of(home: Path) -> int | None:
    """The process that has locked ``home``; None when it is gone and another process has its number."""
    written = StackFile(home / "stack.json").written_by()
    process = _process(written[0]) if written else None
    if process is None or written is None or process.create_time() > written[1] + _CLOCK_SLACK:
        return None
    return written[0]


def _check_writable(home: Path) -> None:
    """Make ``home`` if it is missing, and write a file there. ConfigurationError, NoRoom."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=home, buffering=0) as trial:
            trial.write(bytes(_TRIAL_BYTES))
            os.fsync(trial.fileno())
    except OSError as error:
        if says_full(str(error)):
            raise NoRoom(f"AEGIS_HOME {home} has no room: free some space on its disk") from error
        fault = f"cannot be made or written to ({error.strerror})"
        if isinstance(error, FileExistsError | NotADirectoryError):
            fault = "is, or lies below, a file"
        raise ConfigurationError(f"AEGIS_HOME {home} {fault}: choose another folder") from error


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
