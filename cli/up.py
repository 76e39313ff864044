"""``aegis up``: the stack in the foreground, from checks before the start to the last part's end."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from time import monotonic

from cli import models, preflight
from cli.addresses import addresses, base_url
from cli.display import Display
from cli.exits import INTERRUPTED
from cli.home import held
from cli.keeper import Surroundings
from cli.nursery import Nursery
from cli.supervisor import Supervisor, Work
from cli.warden import on_duty
from rag.errors import AegisError
from rag.folders import expanded, keep_private, private_folder
from rag.homes import recorded
from rag.settings import Settings, inherited
from rag.starting import shield


def up(
    settings: Settings,
    display: Display,
    *,
    verbose: bool = False,
    work: Work | None = None,
    once: bool = False,
) -> int:
    """Build the model unless it is there, then run the stack until a signal; the exit status.

    With ``work``, see :meth:`Supervisor.run`.

    Raises Conflict when AEGIS_HOME is in use, ConfigurationError or Unavailable when the
    stack cannot start.
    """
    if status := models.prepare(settings):
        return status
    began = monotonic()
    keep_private()
    shield(settings)

    def run(supervisor: Supervisor) -> Awaitable[int]:
        return supervisor.run(
            on_ready=lambda: display.addresses(monotonic() - began, addresses(settings)),
            on_stop=display.stopping,
            work=work,
            once=once,
        )

    with held(settings.home) as roster:
        for name in roster.end_leftovers():
            display.note(f"ended {name}, left over by a stack that was killed")
        preflight.check(settings)
        private_folder(settings.run_dir)
        display.starting(settings.home)
        with on_duty() as warden, _known(settings, display):
            surroundings = Surroundings(
                folder=settings.run_dir,
                logs=settings.home / "logs",
                environment=environment(settings),
                witness=display,
                warden=warden,
                roster=roster,
                verbose=verbose,
            )
            status = asyncio.run(_supervised(settings, surroundings, run))
    if status == INTERRUPTED:
        display.clear_spinner()
    return status


@contextmanager
def _known(settings: Settings, display: Display) -> Iterator[None]:
    """Commands in other folders find the stack meanwhile. It runs without that too."""
    with ExitStack() as stack:
        try:
            stack.enter_context(recorded(settings.home, base_url(settings)))
        except (OSError, AegisError) as error:
            display.note(f"commands in other folders need AEGIS_HOME={settings.home}: {error}")
        yield


def environment(settings: Settings) -> Mapping[str, str]:
    """Of the parts: settings as they are here, folders absolute, because parts run in one of their own."""
    return {
        **inherited(settings),
        "AEGIS_HOME": str(settings.home),
        "MODEL_DIR": str(expanded(settings.model_dir, "MODEL_DIR: ").resolve()),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",  # whatever the terminal speaks, logs are UTF-8
        "PYTHONIOENCODING": "utf-8",
        "SPT_NOENV": "1",  # process titles do not overwrite the environment that `ps e` shows
    }


async def _supervised(
    settings: Settings, surroundings: Surroundings, run: Callable[[Supervisor], Awaitable[int]]
) -> int:
    async with _nursery(surroundings) as nursery:
        from cli import stack  # noqa: PLC0415 - loads Celery, which takes a while, beside the zygote

        return await run(Supervisor(stack.parts(settings), replace(surroundings, nursery=nursery)))


@asynccontextmanager
async def _nursery(around: Surroundings) -> AsyncIterator[Nursery | None]:
    """None where a process must not go on after a fork without a new program: outside Linux."""
    if sys.platform != "linux":
        yield None
        return
    nursery = await Nursery.open(
        environment=around.environment, folder=around.folder, log=around.logs / "zygote.log"
    )
    around.warden.guard(nursery.pid)
    around.roster.enter("zygote", nursery.pid)
    try:
        yield nursery
    finally:
        await nursery.close()
        around.warden.release(nursery.pid)
        around.roster.leave("zygote")
