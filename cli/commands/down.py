"""``aegis down``: stop the stack that runs in AEGIS_HOME, from any terminal."""

import os
import signal
from time import monotonic, sleep
from typing import Annotated

import typer

from cli.supervisor.lockfile import is_locked, supervisor_of
from rag.errors import AegisError, TimedOut
from rag.settings import load

_LOOK_SECONDS = 0.1
_ECHO_SECONDS = 1.5
"""The supervisor ignores a SIGINT that comes sooner, see ``cli.supervisor.supervisor``."""


def down(
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for its end.")] = 120,
    hurry: Annotated[bool, typer.Option("--hurry", help="Do not wait for stages that are at work.")] = False,
) -> None:
    """Stop the stack on this machine, in order. Jobs stay, and go on with the next start."""
    home = load().home
    if not is_locked(home):
        print(f"no stack is running in {home}")
        return
    pid = supervisor_of(home)
    if pid is None:
        raise AegisError(f"a stack is running in {home}, but {home / 'stack.json'} does not tell its process")
    os.kill(pid, signal.SIGTERM)
    began = monotonic()
    hurried = not hurry
    while is_locked(home):
        if monotonic() - began > timeout:
            raise TimedOut(f"process {pid} has not ended within {timeout:.0f} s; --hurry ends it sooner")
        if not hurried and monotonic() - began > _ECHO_SECONDS:
            os.kill(pid, signal.SIGINT)
            hurried = True
        sleep(_LOOK_SECONDS)
    print(f"stopped in {monotonic() - began:.1f} s")
