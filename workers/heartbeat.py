"""A worker's heartbeats, sent from a thread of their own.

That the thread runs proves nothing. So a heartbeat reports what Celery knows of the pool: how
long ago a task began, and which one has been running for how long. The thread also sends the
lane's canaries when it is this worker's turn.
"""

import os
from time import monotonic

from celery.worker import state

from rag.errors import Transient
from rag.redis.heartbeats import Consumption, Heartbeats, WorkerSign
from rag.settings import Settings
from tasks.app import Lane
from tasks.publishing.bells import CANARY_SECONDS, release

RECONNECT_SECONDS = 30.0
"""Celery tries a lost broker again every two seconds at first, every thirty in the end."""


class Heartbeat:
    """The heartbeats of one worker, whose Celery node name is ``worker``."""

    def __init__(self, lane: Lane, worker: str, settings: Settings, heartbeats: Heartbeats) -> None:
        self._lane = lane
        self._worker = worker
        self._settings = settings
        self._heartbeats = heartbeats
        self._consumption = Consumption(monotonic())

    def beat(self) -> None:
        """Report what the worker does, and send canaries in turn. Transient when the broker is away."""
        now, seen = monotonic(), self._consumption
        running = [request.id for request in list(state.requests.values()) if request.time_start]
        seen.observe(state.all_total_count[0], next(iter(running), None), now)
        sign = WorkerSign(
            lane=self._lane.name,
            worker=self._worker,
            pid=os.getpid(),
            idle=round(seen.idle(now), 1),
            busy=seen.busy(now),
            task=seen.task,
            limit=self._lane.limit(self._settings),
            silence=self._settings.silence_seconds,
        )
        try:
            self._heartbeats.work(sign)
            if self._heartbeats.turn(self._lane.name, CANARY_SECONDS):
                release(self._lane, wanted=len(self._heartbeats.read_signs().lane(self._lane.name)))
        except Transient:
            seen.forgive(monotonic(), RECONNECT_SECONDS)
            raise
