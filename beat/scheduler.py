"""Celery's beat with its records in Redis. Its own loop sends the heartbeat, so a hung one is noticed."""

import logging
import os
from socket import gethostname
from time import monotonic
from typing import Any

from celery.beat import Scheduler

from beat.schedule import Entry
from beat.timekeeping import Timekeeper
from rag.errors import Transient
from rag.redis.connection import connect
from rag.redis.heartbeats import Heartbeats
from rag.redis.schedule import Run, Runs
from rag.settings import load
from rag.system.liveness import LivenessFile
from tasks.app import PUBLISH_ERRORS, sending

TICK_SECONDS = 2
SIGN_SECONDS = 15.0

EXPIRES = 7200.0
"""Seconds. It limits the messages that pile up while the lane is away; a clock may be an hour off."""

_WORTH_A_WARNING = 5
"""Failed ticks in a row: more than the start of a broker, or the rebuild of its records, takes."""

log = logging.getLogger(__name__)


class BeatingScheduler(Scheduler):
    """Runs the entries of the app's ``beat_schedule``, a sequence of :class:`beat.schedule.Entry`."""

    max_interval = TICK_SECONDS

    def __init__(self, *args: Any, **named: Any) -> None:
        settings = load()
        client = connect(settings)
        self._liveness = LivenessFile(settings.liveness_file)
        self._heartbeats = Heartbeats(client)
        self._runs = Runs(client)
        self._beaten_at = float("-inf")
        self._failed_ticks = 0
        super().__init__(*args, **named)

    def setup_schedule(self) -> None:
        self._timekeeper = Timekeeper(self.app.conf.beat_schedule, self._runs, self._send)

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due, and the heartbeat. Returns seconds to the next tick.

        LIVENESS_FILE is touched while the broker is away too: to restart beat would not bring it back.
        """
        try:
            seconds = max(0.0, min(self._timekeeper.round(), TICK_SECONDS))
            self._failed_ticks = 0
        except (Transient, *PUBLISH_ERRORS) as error:
            seconds = TICK_SECONDS
            self._failed_ticks += 1
            level = logging.WARNING if self._failed_ticks == _WORTH_A_WARNING else logging.DEBUG
            log.log(level, "nothing can be sent: %s", error)
        if monotonic() - self._beaten_at >= TICK_SECONDS / 2:
            try:
                self._heartbeats.tick(gethostname(), os.getpid(), SIGN_SECONDS)
                self._beaten_at = monotonic()
            except Transient as error:
                log.debug("no heartbeat: %s", error)
        self._liveness.touch()
        return seconds

    def _send(self, entry: Entry, run: Run) -> None:
        """Publish the run's message. Raises PUBLISH_ERRORS."""
        log.info("sends %s: %s", entry.name, entry.task)
        with sending():
            self.app.send_task(
                entry.task,
                args=(entry.name, run.id) if entry.promised else (),
                task_id=run.id,
                expires=EXPIRES,
            )
