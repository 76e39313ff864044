"""The time limits of a solo pool's tasks, which Celery's own pool does not have.

A worker of one lane bounds its tasks by a prefork pool (https://docs.celeryq.dev/en/stable/userguide/workers.html#time-limits).
A worker of several lanes has no child that could be ended, so it bounds itself: after the soft limit the task
gets SoftTimeLimitExceeded, and after the hard one the worker kills itself and is started again.
"""

import logging
import os
import signal
from collections.abc import Mapping
from threading import Timer
from typing import NoReturn

from celery.exceptions import SoftTimeLimitExceeded

from tasks.lanes import soft_limit

log = logging.getLogger(__name__)


class TimeLimits:
    """Bounds one task at a time. To be used in the main thread, where Python handles signals."""

    def __init__(self, hard: Mapping[str, float]) -> None:
        """``hard``: the seconds that a task from each queue may run; from other queues it is not bounded."""
        self._hard = hard
        self._timer: Timer | None = None
        signal.signal(signal.SIGALRM, self._interrupt)

    def begin(self, queue: str, task: str) -> None:
        """Bound the task that begins now. ``task``: its id, for the log."""
        hard = self._hard.get(queue)
        if hard is None:
            return
        self._timer = Timer(hard, _kill_worker, (task, hard))
        self._timer.daemon = True
        self._timer.start()
        signal.setitimer(signal.ITIMER_REAL, soft_limit(hard))

    def end(self) -> None:
        """The task is over. Safe to call without one."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _interrupt(self, *_: object) -> None:
        if self._timer:  # the signal may come just when the task has ended
            raise SoftTimeLimitExceeded


def _kill_worker(task: str, seconds: float) -> NoReturn:
    """End this process as a prefork pool ends its child: nothing that hangs in it can hold it up."""
    log.critical("task %s has run for %g s, its limit: this worker ends", task, seconds)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process does not outlive SIGKILL")
