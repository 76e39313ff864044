"""Holding on to a stage: the lease that is renewed while the work runs, and the write that ends it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import TypeVar

import stamina

from rag.errors import Transient
from rag.model import Stage
from rag.subjects import named
from tasks.run import StageRun
from tasks.toolbox import Toolbox

T = TypeVar("T")

_AWAY_SECONDS = 1.0
"""Between two attempts at most while the records are away: a lease that runs out then has a short grace."""

_GENERATING_SECONDS = 0.5  # a cancelled generation is to end within a second

log = logging.getLogger(__name__)


@contextmanager
def kept_alive(tools: Toolbox, runs: Sequence[StageRun]) -> Iterator[None]:
    """Renew the leases of ``runs``, all at one stage, until the block ends; of one that is lost, no more."""
    over = Event()
    name = f"lease-{runs[0].job.id}"
    keeper = Thread(target=_renew, args=(tools, runs, over), name=name, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _renew(tools: Toolbox, runs: Sequence[StageRun], over: Event) -> None:
    generating = runs[0].job.stage is Stage.GENERATE
    interval = _GENERATING_SECONDS if generating else tools.settings.lease_seconds / 3
    pause = interval
    while not over.wait(pause):
        pause = interval
        for run in runs:
            try:
                if not run.cancelled():
                    run.holds()
            except Transient as error:
                log.warning("%s: the lease could not be renewed: %s", named(run.job), error)
                pause = min(_AWAY_SECONDS, interval / 4)


def insisted(tools: Toolbox, call: Callable[[], T]) -> T:
    """What ``call`` to the records returns, made again while they are away, for as long as a lease lasts.

    So a broker that restarts costs no attempt. Raises what the last call did.
    """
    attempts = stamina.retry_context(
        on=Transient, attempts=None, timeout=tools.settings.lease_seconds, wait_max=2.0
    )
    for attempt in attempts:
        with attempt:
            return call()
    raise AssertionError  # the last attempt returns or raises
