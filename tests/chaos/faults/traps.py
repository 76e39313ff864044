"""Traps: a test sets one at a named point, and the next process that comes by does the deed.

A trap is a file in ``AEGIS_HOME/faults``. Whoever takes it first leaves its process id, so that
the test knows when, and whom to kill. Points are named ``<part>.<call>``, such as
``embed.embed_passages`` or ``api.publish``.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

HOLD, PAUSE, KILL = "hold", "pause", "kill"

_MEAL = 32 * 1024 * 1024  # bytes
_MEALS = 48


class Traps:
    """The traps of the stack in ``home``."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "faults"
        self._folder.mkdir(parents=True, exist_ok=True)

    def set(self, point: str, deed: str) -> None:
        """Have the next call at ``point`` do ``deed``, once."""
        (self._folder / f"{point}.sprung").unlink(missing_ok=True)
        draft = self._folder / f"{point}.draft"
        draft.write_text(deed)
        draft.rename(self._folder / point)

    def sprung(self, point: str) -> int | None:
        """The process that stepped on the trap; None while nobody has."""
        try:
            return int((self._folder / f"{point}.sprung").read_text() or 0) or None
        except FileNotFoundError:
            return None

    def release(self, point: str) -> None:
        """Let the process go on that a PAUSE stopped at ``point``."""
        (self._folder / f"{point}.sprung").unlink(missing_ok=True)

    def step_on(self, point: str) -> None:
        """Called by the parts: nothing where no trap is set."""
        mine = self._folder / f"{point}.{os.getpid()}"
        try:
            (self._folder / point).rename(mine)
        except FileNotFoundError:
            return
        deed, sprung = mine.read_text(), self._folder / f"{point}.sprung"
        mine.write_text(str(os.getpid()))
        mine.rename(sprung)
        if deed == PAUSE:
            pause_while(sprung)
        else:
            DEEDS[deed]()


def pause_while(sprung: Path) -> None:
    while sprung.exists():
        time.sleep(0.01)


def hold() -> NoReturn:
    """Work on and on, until somebody ends the process."""
    while True:
        time.sleep(1)


def leave() -> NoReturn:
    """End as native code does that calls exit()."""
    os._exit(3)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def eat() -> None:
    """Take 1.5 GB; where nothing refuses it, end as the kernel ends what is over a container's limit."""
    if [bytearray(b"x" * _MEAL) for _ in range(_MEALS)]:
        die()


DEEDS: Mapping[str, Callable[[], None]] = {HOLD: hold, KILL: die}
