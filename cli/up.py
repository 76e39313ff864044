"""``aegis up``: the stack in the foreground, from checks before the start to the last part's end."""

import asyncio
from time import monotonic

from cli import preflight, stack
from cli.addresses import addresses
from cli.display import Display
from cli.home import held
from cli.keeper import Surroundings
from cli.supervisor import Supervisor, Work
from cli.warden import on_duty
from rag.settings import Settings


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
    with held(settings.home) as roster:
        for name in roster.end_leftovers():
            display.note(f"ended {name}, left over by a stack that was killed")
        preflight.check(settings)
        settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        display.starting(settings.home)
        with on_duty() as warden:
            surroundings = Surroundings(
                folder=settings.run_dir,
                logs=settings.home / "logs",
                environment=stack.environment(settings),
                witness=display,
                warden=warden,
                roster=roster,
                verbose=verbose,
            )
            running = Supervisor(stack.parts(settings), surroundings).run(
                on_ready=lambda: display.addresses(monotonic() - began, addresses(settings)),
                on_stop=display.stopping,
                work=work,
                once=once,
            )
            return asyncio.run(running)
