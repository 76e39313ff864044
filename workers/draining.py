"""What a worker does when it is told to end: finish its stage in time, or give it back."""

import os
import signal
from threading import Timer
from typing import Any

from celery import signals

from tasks.toolbox import Drain

INTERRUPT = signal.SIGUSR2


def heed(drain: Drain) -> None:
    """Have this process, which runs tasks, interrupt them when it is asked to."""
    signal.signal(INTERRUPT, drain.ask)


def drain_at_the_end(pool: Any, seconds: float) -> None:
    """From SIGTERM on, give ``pool`` (a ``celery.concurrency.BasePool``) so long to finish its task."""

    def tell(**_: Any) -> None:
        timer = Timer(seconds, _interrupt, (pool,))
        timer.daemon = True
        timer.start()

    signals.worker_shutting_down.connect(tell, weak=False)


def _interrupt(pool: Any) -> None:
    for pid in pool.info["processes"]:
        os.kill(pid, INTERRUPT)
