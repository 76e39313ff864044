"""AEGIS_HOME while a stack runs in it: one stack at a time, and who its processes are."""

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
from rag.homes import is_process
from rag.stores.disks import says_full

_TRIAL_BYTES = 65_536
_CLOCK_SLACK = 2.0  # seconds that a process may seem to have begun after it wrote its roster


class Roster:
    """``stack.json``: the supervisor and the parts it started, for the next start and for people.

    A change that the disk has no room for is left out: the next one writes the whole list anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[str, dict[str, float]] = {}

    def enter(self, name: str, pid: int) -> None:
        with suppress(psutil.NoSuchProcess):  # it may be over already
            self._parts[name] = {"pid": pid, "started": psutil.Process(pid).create_time()}
        self._write()

    def leave(self, name: str) -> None:
        self._parts.pop(name, None)
        self._write()

    def end_leftovers(self) -> list[str]:
        """Kill what a stack that was killed itself has left; the names of these parts."""
        left = [
            (name, int(part["pid"]))
            for name, part in self._read().get("parts", {}).items()
            if is_process(int(part["pid"]), part["started"])
        ]
        for _, pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        psutil.wait_procs([p for _, pid in left if (p := _process(pid))], timeout=5)
        self._write()
        return [name for name, _ in left]

    def supervisor(self) -> int | None:
        """Process id of the supervisor that wrote the roster."""
        pid = self._read().get("supervisor")
        return pid if isinstance(pid, int) else None

    def supervised(self) -> tuple[int, float] | None:
        """Process id of the supervisor, and when it wrote so."""
        content = self._read()
        pid, written = content.get("supervisor"), content.get("written")
        return (pid, float(written)) if isinstance(pid, int) and isinstance(written, int | float) else None

    def _read(self) -> dict[str, Any]:
        """Nothing of what another user wrote: it says which processes to end."""
        try:
            with self._path.open(encoding="utf-8") as file:
                content = json.load(file) if os.fstat(file.fileno()).st_uid == os.geteuid() else {}
        except (FileNotFoundError, ValueError):  # none yet, or cut off while it was written
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self) -> None:
        content = {"supervisor": os.getpid(), "written": time(), "parts": self._parts}
        draft = self._path.with_suffix(".new")
        with suppress(OSError):  # as the class says
            draft.write_text(json.dumps(content, indent=1), "utf-8")
            draft.replace(self._path)


@contextmanager
def held(home: Path) -> Iterator[Roster]:
    """Hold ``home`` for one stack. Raises Conflict that names the holder; ConfigurationError for a home
    that cannot be made or written to, NoRoom when its disk is full."""
    writable_home(home)
    roster = Roster(home / "stack.json")
    with (home / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"A stack is running in {home} already (process {roster.supervisor() or 'unknown'}). "
                "Stop it, or choose another AEGIS_HOME with other ports."
            ) from error
        yield roster


def is_held(home: Path) -> bool:
    """Whether a stack runs in ``home``. Makes nothing there."""
    try:
        with (home / "stack.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False


def supervisor_of(home: Path) -> int | None:
    """The process that holds ``home``, unless it is gone and another one has its number."""
    written = Roster(home / "stack.json").supervised()
    process = _process(written[0]) if written else None
    if process is None or written is None or process.create_time() > written[1] + _CLOCK_SLACK:
        return None
    return written[0]


def writable_home(home: Path) -> None:
    """Make ``home`` where it is missing, and try a file there. ConfigurationError, NoRoom."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=home, buffering=0) as trial:
            trial.write(bytes(_TRIAL_BYTES))
            os.fsync(trial.fileno())
    except OSError as error:
        if says_full(str(error)):
            raise NoRoom(f"AEGIS_HOME {home} has no room: free some space on its disk") from error
        raise ConfigurationError(f"AEGIS_HOME {home} {_fault(error)}: choose another folder") from error


def _fault(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "is, or lies below, a file"
    return f"cannot be made or written to ({error.strerror})"


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
