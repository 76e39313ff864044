"""``aegis up``: the stack in the foreground, from checks before the start to the last part's end."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic

from cli import preflight
from cli.addresses import addresses
from cli.display import Display
from cli.home import held
from cli.keeper import Surroundings
from cli.nursery import Nursery
from cli.supervisor import Supervisor, Work
from cli.warden import on_duty
from rag.folders import keep_private, private_folder
from rag.settings import Settings
from rag.starting import shield


def up(
    settings: Settings,
    display: Display,
    *,
    verbose: bool = False,
    work: Work | None = None,
    once: bool = False,
) -> int:
    """Run the stack until a signal; the exit status. With ``work``, see :meth:`Supervisor.run`.

    Raises Conflict when AEGIS_HOME is in use, ConfigurationError or Unavailable when the
    stack cannot start.
    """
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
        with on_duty() as warden:
            surroundings = Surroundings(
                folder=settings.run_dir,
                logs=settings.home / "logs",
                environment=environment(settings),
                witness=display,
                warden=warden,
                roster=roster,
                verbose=verbose,
            )
            return asyncio.run(_supervised(settings, surroundings, run))


def environment(settings: Settings) -> Mapping[str, str]:
    """Ours, with relative folders made absolute, because parts run in a folder of their own."""
    return {
        **os.environ,
        "AEGIS_HOME": str(settings.home),
        "MODEL_DIR": str(settings.model_dir.expanduser().resolve()),
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
