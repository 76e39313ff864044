"""Finds the folder of AEGIS_HOME where nothing names one, and the stacks that run on this machine.

A running stack has a file in the user's state folder. Looking for it makes and changes nothing.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from platformdirs import user_data_path, user_state_path

from rag.system.folders import private_folder

_APPLICATION = "aegis-rag"
_LOCAL = Path(".aegis")
_OWN_SOURCE = Path("rag", "system", "homes.py")
_CLOCK_SLACK = 2.0  # seconds by which two readings of a process's start time may differ


@dataclass(frozen=True, slots=True)
class Home:
    """A folder, and ``why`` it is this one, in a few words."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class RunningStack:
    """``api``: its address. ``pid``: of its supervisor, which began at ``started``, seconds of the epoch."""

    home: str
    api: str
    pid: int
    started: float


def unnamed_home() -> Home:
    """``./.aegis`` where it exists, else the home of the newest running stack, else the user's data folder.

    In the checkout that this code runs from, it is ``./.aegis`` even before the first start.
    """
    with suppress(OSError):
        # Another user's folder is not taken: its files say which servers to use and which processes to end.
        if _LOCAL.is_dir() and _LOCAL.stat().st_uid == os.geteuid():
            return Home(_LOCAL.resolve(), "it is in this folder")
    if _OWN_SOURCE.exists() and _OWN_SOURCE.samefile(__file__):
        return Home(_LOCAL.resolve(), "this folder is the checkout")
    if stacks := running_stacks():
        return Home(Path(stacks[0].home), "a stack runs in it")
    with suppress(RuntimeError):
        return Home(user_data_path(_APPLICATION, appauthor=False), "no other is named")
    return Home(_LOCAL.resolve(), "this user has no folder of their own")


def running_stacks() -> list[RunningStack]:
    """The running stacks of this user, the newest first."""
    folder = _folder()
    found = map(_read, folder.glob("*.json")) if folder else ()
    alive = [stack for stack in found if stack and is_process(stack.pid, stack.started)]
    return sorted(alive, key=lambda stack: stack.started, reverse=True)


def stack_in(home: Path) -> RunningStack | None:
    """The stack that runs in ``home``; None where none does."""
    folder = _folder()
    stack = _read(folder / _name(home)) if folder else None
    return stack if stack and is_process(stack.pid, stack.started) else None


@contextmanager
def recorded(home: Path, api: str) -> Iterator[None]:
    """Keep a file about this process's stack in ``home`` while the block runs, if there is a state folder.

    Raises OSError, and ConfigurationError for a state folder that is not ours.
    """
    import psutil  # noqa: PLC0415 - a look-up that finds no stack does without

    folder = _folder()
    if folder is None:
        yield
        return
    file = private_folder(folder) / _name(home)
    draft = file.with_suffix(".new")
    stack = RunningStack(str(home), api, os.getpid(), psutil.Process().create_time())
    draft.write_text(json.dumps(asdict(stack)), "utf-8")
    draft.replace(file)
    for other in folder.glob("*.json"):  # stacks that were killed have left theirs
        found = _read(other)
        if found is None or not is_process(found.pid, found.started):
            other.unlink(missing_ok=True)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def is_process(pid: int, started: float) -> bool:
    """Whether ``pid`` is the process that began at ``started``, and not a later one of the same number."""
    import psutil  # noqa: PLC0415 - a look-up that finds no stack does without

    try:
        return abs(psutil.Process(pid).create_time() - started) < _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False


def _folder() -> Path | None:
    """None for a user without a home folder, as in some containers."""
    try:
        return user_state_path(_APPLICATION, appauthor=False) / "stacks"
    except RuntimeError:
        return None


def _name(home: Path) -> str:
    return f"{sha256(bytes(home)).hexdigest()[:16]}.json"


def _read(file: Path) -> RunningStack | None:
    """None for a file that is gone meanwhile, or that holds something else."""
    try:
        fields = json.loads(file.read_text("utf-8"))
        return RunningStack(
            str(fields["home"]), str(fields["api"]), int(fields["pid"]), float(fields["started"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
