"""A worker's signs of life, from a thread of its own.

The thread proves nothing by being there. It reports what Celery's books say of the pool:
how long ago a task was begun, and which one runs for how long. It also sends the lane's
canaries when that falls to it.
"""

import os
from time import monotonic

from celery.worker import state

from rag.errors import Transient
from rag.liveness import Consumption, WorkerSign
from rag.settings import Settings
from rag.stores.heartbeats import Heartbeats
from tasks.app import Lane
from tasks.bells import CANARY_SECONDS
from tasks.canary import release

RECONNECT_SECONDS = 30.0
"""Celery tries a lost broker again every two seconds at first, every thirty in the end."""


class Pulse:
    """Of one worker, whose Celery node name is ``worker``."""

    def __init__(self, lane: Lane, worker: str, settings: Settings, heartbeats: Heartbeats) -> None:
        self._lane = lane
        self._worker = worker
        self._settings = settings
        self._heartbeats = heartbeats
        self._consumption = Consumption(monotonic())

    def beat(self) -> None:
        """Say what the worker does, and send canaries in turn. Transient when the broker is away."""
        try:
            self._observe()
            self._heartbeats.work(self._sign())
            if self._heartbeats.turn(self._lane.name, CANARY_SECONDS):
                release(self._lane, wanted=len(self._heartbeats.read_signs().lane(self._lane.name)))
        except Transient:
            self._consumption.forgive(monotonic(), RECONNECT_SECONDS)
            raise

    def _observe(self) -> None:
        running = [request.id for request in list(state.requests.values()) if request.time_start]
        self._consumption.observe(state.all_total_count[0], next(iter(running), None), monotonic())

    def _sign(self) -> WorkerSign:
        now, seen = monotonic(), self._consumption
        return WorkerSign(
            lane=self._lane.name,
            worker=self._worker,
            pid=os.getpid(),
            idle=round(seen.idle(now), 1),
            busy=seen.busy(now),
            task=seen.task,
            limit=self._lane.limit(self._settings),
            silence=self._settings.silence_seconds,
        )
