"""Holding on to a stage: the lease that is renewed while the work runs, and the write that ends it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TypeVar

import stamina

from rag.errors import Transient
from rag.model import Lease, Stage
from tasks.toolbox import Toolbox

T = TypeVar("T")

_GENERATING_SECONDS = 0.5  # a cancelled generation is to end within a second

log = logging.getLogger(__name__)


@contextmanager
def kept_alive(tools: Toolbox, lease: Lease, lost: Event) -> Iterator[None]:
    """Renew the lease until the block ends; ``lost`` is set when it is somebody else's."""
    over = Event()
    keeper = Thread(target=_renew, args=(tools, lease, lost, over), name=f"lease-{lease.job.id}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _renew(tools: Toolbox, lease: Lease, lost: Event, over: Event) -> None:
    seconds = tools.settings.lease_seconds
    interval = _GENERATING_SECONDS if lease.job.stage is Stage.GENERATE else seconds / 3
    while not over.wait(interval):
        try:
            if not tools.jobs.extend(lease, lease_seconds=seconds):
                lost.set()
                return
        except Transient as error:
            log.warning("job %s: the lease could not be renewed: %s", lease.job.id, error)


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
