"""Which folder is AEGIS_HOME where nothing names one, and which stacks run on this machine.

A stack that runs is known by a file in the user's state folder. Looking for it makes and changes nothing.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from platformdirs import user_data_path, user_state_path

from rag.folders import private_folder

_APPLICATION = "aegis-rag"
_LOCAL = Path(".aegis")
_OWN_SOURCE = Path("rag", "homes.py")
_CLOCK_SLACK = 2.0  # seconds by which two readings of a process's start time may differ


@dataclass(frozen=True, slots=True)
class Home:
    """``why`` it is this folder, in a few words."""

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
    """``./.aegis`` where it is, else that of the stack that began last, else the platform's folder for data.

    In the checkout that this code is run from it is always ``./.aegis``, so that the first start makes it
    there.
    """
    if _is_own(_LOCAL):
        return Home(_LOCAL.resolve(), "it is in this folder")
    if _OWN_SOURCE.exists() and _OWN_SOURCE.samefile(__file__):
        return Home(_LOCAL.resolve(), "this folder is the checkout")
    if stacks := running_stacks():
        return Home(Path(stacks[0].home), "a stack runs in it")
    with suppress(RuntimeError):
        return Home(user_data_path(_APPLICATION, appauthor=False), "no other is named")
    return Home(_LOCAL.resolve(), "this user has no folder of their own")


def _is_own(folder: Path) -> bool:
    """Whether it is a folder of this user's: what lies in another's says whom to ask and what to end."""
    try:
        return folder.is_dir() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def running_stacks() -> list[RunningStack]:
    """Those of this user, the one that began last first."""
    folder = _folder()
    found = map(_read, folder.glob("*.json")) if folder else ()
    alive = [stack for stack in found if stack and is_process(stack.pid, stack.started)]
    return sorted(alive, key=lambda stack: stack.started, reverse=True)


def stack_in(home: Path) -> RunningStack | None:
    folder = _folder()
    stack = _read(folder / _name(home)) if folder else None
    return stack if stack and is_process(stack.pid, stack.started) else None


@contextmanager
def recorded(home: Path, api: str) -> Iterator[None]:
    """For as long as this process's stack runs in ``home``, where this user has a folder for state.

    Raises OSError, ConfigurationError for one that is no folder of ours.
    """
    folder = _folder()
    if folder is None:
        yield
        return
    file = private_folder(folder) / _name(home)
    _write(file, home, api)
    _forget_ended(folder)
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


def _forget_ended(folder: Path) -> None:
    """What stacks that were killed have left."""
    for file in folder.glob("*.json"):
        stack = _read(file)
        if stack is None or not is_process(stack.pid, stack.started):
            file.unlink(missing_ok=True)


def _folder() -> Path | None:
    """None for a user without a home folder, such as some of containers."""
    try:
        return user_state_path(_APPLICATION, appauthor=False) / "stacks"
    except RuntimeError:
        return None


def _name(home: Path) -> str:
    return f"{sha256(bytes(home)).hexdigest()[:16]}.json"


def _write(file: Path, home: Path, api: str) -> None:
    import psutil  # noqa: PLC0415 - a look-up that finds no stack does without

    stack = RunningStack(str(home), api, os.getpid(), psutil.Process().create_time())
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(asdict(stack)), "utf-8")
    draft.replace(file)


def _read(file: Path) -> RunningStack | None:
    """None for what is gone meanwhile, or is no such file."""
    try:
        fields = json.loads(file.read_text("utf-8"))
        return RunningStack(
            str(fields["home"]), str(fields["api"]), int(fields["pid"]), float(fields["started"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
