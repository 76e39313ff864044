"""Celery's scheduler on a file, whose own loop shows the sign of life, so that a beat that hangs is seen."""

import logging
import os
from socket import gethostname
from time import monotonic
from typing import Any

from celery.beat import PersistentScheduler

from rag.errors import Transient
from rag.settings import load
from rag.stores.heartbeats import BEAT, Heartbeats
from rag.stores.redis import connect

TICK_SECONDS = 2
SIGN_SECONDS = 15.0

log = logging.getLogger(__name__)


class BeatingScheduler(PersistentScheduler):
    """Beats with its ticks, every two seconds or so."""

    max_interval = TICK_SECONDS

    def __init__(self, *args: Any, **named: Any) -> None:
        self._heartbeats = Heartbeats(connect(load()))
        self._beaten_at = float("-inf")
        super().__init__(*args, **named)

    def tick(self, *args: Any, **named: Any) -> float:
        """Seconds to the next one."""
        self._forget_the_future()
        seconds: float = super().tick(*args, **named)
        if monotonic() - self._beaten_at >= TICK_SECONDS / 2:
            self._beat()
        return seconds

    def _forget_the_future(self) -> None:
        """Where the clock was put back, an entry would rest until it is as late again as when it was sent."""
        for entry in self.schedule.values():
            if entry.last_run_at and entry.last_run_at > entry.default_now():
                entry.last_run_at = entry.default_now()
                self._heap = None  # which is in the order of the former times

    def _beat(self) -> None:
        try:
            self._heartbeats.beat(BEAT, {"pid": os.getpid(), "host": gethostname()}, SIGN_SECONDS)
            self._beaten_at = monotonic()
        except Transient as error:
            log.warning("no sign of life: %s", error)
