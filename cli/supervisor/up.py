"""``aegis up``: the stack in the foreground, from the checks before its start to its end."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from time import monotonic

from cli.client.addresses import addresses, base_url
from cli.shell.exits import INTERRUPTED
from cli.supervisor import preflight
from cli.supervisor import services as stack
from cli.supervisor.display import StackDisplay
from cli.supervisor.environment import environment
from cli.supervisor.fork_client import ForkClient
from cli.supervisor.lockfile import StackFile, lock_home
from cli.supervisor.orphan_guard import guarding_orphans
from cli.supervisor.runner import RunContext
from cli.supervisor.supervisor import Supervisor, Work
from rag.errors import AegisError
from rag.settings import Settings
from rag.startup import shield
from rag.system.folders import expanded, keep_private, private_folder
from rag.system.homes import recorded
from workers.setup import missing_models

_FORK_SERVER = "fork-server"


def up(
    settings: Settings,
    display: StackDisplay,
    *,
    verbose: bool = False,
    work: Work | None = None,
    once: bool = False,
) -> int:
    """Build the model if it is missing, then run the stack until a signal; the exit status.

    ``work`` and ``once``: see :meth:`Supervisor.run`.

    Raises Conflict when AEGIS_HOME is in use, ConfigurationError or Unavailable when the
    stack cannot start.
    """
    if status := build_models(settings):
        return status
    began = monotonic()
    keep_private()
    shield(settings)

    async def run(stack_file: StackFile) -> int:
        async with _context(settings, display, stack_file, verbose=verbose) as context:
            supervisor = Supervisor(stack.services(settings), context)
            return await supervisor.run(
                on_ready=lambda: display.show_addresses(monotonic() - began, addresses(settings)),
                on_stop=display.show_stopping,
                work=work,
                once=once,
            )

    # First the lock: the checks below would find the ports of a running stack in use.
    with lock_home(settings.home) as stack_file:
        for name in stack_file.kill_leftovers():
            display.show_note(f"ended {name}, left over by a stack that was killed")
        preflight.check(settings)
        private_folder(settings.run_dir)
        display.show_start(settings.home)
        with _recorded(settings, display):
            status = asyncio.run(run(stack_file))
    if status == INTERRUPTED:
        display.clear_spinner()
    return status


def build_models(settings: Settings) -> int:
    """Build the bundled models that are missing; the exit status, 0 when they are there.

    ``aegis setup`` builds them and reports on stderr.
    """
    folder = expanded(settings.model_dir, "MODEL_DIR: ").resolve()
    if not missing_models(settings, folder):
        return 0
    # In a process of its own: what a build loads would stay in the supervisor's memory. -P: a folder
    # named cli in the working directory must not be imported.
    return subprocess.run([sys.executable, "-P", "-m", "cli.main", "setup"], check=False).returncode


@contextmanager
def _recorded(settings: Settings, display: StackDisplay) -> Iterator[None]:
    """Let commands in other folders find the stack. It runs all the same when that cannot be written."""
    with ExitStack() as stack:
        try:
            stack.enter_context(recorded(settings.home, base_url(settings)))
        except (OSError, AegisError) as error:
            display.show_note(f"commands in other folders need AEGIS_HOME={settings.home}: {error}")
        yield


@asynccontextmanager
async def _context(
    settings: Settings, display: StackDisplay, stack_file: StackFile, *, verbose: bool
) -> AsyncIterator[RunContext]:
    """What the runners share. Only on Linux may a process go on after a fork, so none is forked elsewhere."""
    make = partial(
        RunContext,
        folder=settings.run_dir,
        logs=settings.home / "logs",
        environment=environment(settings),
        observer=display,
        stack_file=stack_file,
        verbose=verbose,
        log_format=settings.log_format,
    )
    if sys.platform != "linux":
        with guarding_orphans() as guard:
            yield make(guard=guard)
        return
    log = settings.home / "logs" / f"{_FORK_SERVER}.log"
    client = await ForkClient.open(environment=environment(settings), folder=settings.run_dir, log=log)
    stack_file.add(_FORK_SERVER, client.pid)
    try:
        yield make(guard=client, fork_client=client)
    finally:
        await client.close()
        stack_file.remove(_FORK_SERVER)
