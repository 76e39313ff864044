"""A worker's heartbeats, sent from a thread of their own.

That the thread runs proves nothing. So a heartbeat reports what Celery knows of the pool: how
long ago a task began, and which one has been running for how long. The thread also sends the
canaries of the worker's lanes when it is this worker's turn.
"""

import logging
import os
from collections import Counter
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from celery.worker import state

from rag.errors import Transient
from rag.model import Json
from rag.redis.heartbeats import Consumption, Heartbeats, WorkerSign
from rag.settings import Settings
from rag.system.certificates import certificate_end
from rag.system.liveness import LivenessFile
from tasks.lane_groups import LaneGroup
from tasks.lanes import Lane, lane_named
from tasks.publishing.bells import CANARY_SECONDS, release

_CERTIFICATE_SECONDS = 3600.0

RECONNECT_SECONDS = 30.0
"""Celery tries a lost broker again every two seconds at first, every thirty in the end."""

log = logging.getLogger(__name__)


class EngineCertificate:
    """When the certificate of the Qdrant server at QDRANT_URL ends, read again every hour."""

    def __init__(self, settings: Settings) -> None:
        self._addresses = [each for each in settings.qdrant_addresses if each.startswith("https:")]
        self._read_at = -_CERTIFICATE_SECONDS
        self._end: float | None = None

    def info(self) -> Json:
        """``certificate_ends``, in seconds since 1970: that of the node whose certificate ends first."""
        if self._addresses and monotonic() - self._read_at >= _CERTIFICATE_SECONDS:
            self._read_at = monotonic()
            self._end = min(filter(None, map(self._end_at, self._addresses)), default=None)
        return {} if self._end is None else {"certificate_ends": self._end}

    def _end_at(self, address: str) -> float | None:
        parts = urlsplit(address)
        try:
            return certificate_end(parts.hostname or "", parts.port or 6333)
        except OSError as error:
            log.debug("the certificate of %s cannot be read: %s", parts.hostname, error)
            return None


class Intake:
    """Counts the tasks that a worker has begun for each of its lanes."""

    def __init__(self, group: LaneGroup) -> None:
        self.group = group
        self._begun = Counter[str]()

    @property
    def shared(self) -> bool:
        """Whether the worker serves several lanes. One of a single lane need not be told of its tasks."""
        return len(self.group.lanes) > 1

    def note(self, queue: str) -> None:
        self._begun[queue] += 1

    def count(self, lane: Lane) -> int:
        return self._begun[lane.name] if self.shared else state.all_total_count[0]


class Heartbeat:
    """The heartbeats of a worker, one for each of its lanes.

    ``worker``: its Celery node name; ``holder``: under which it holds jobs.
    """

    def __init__(
        self, intake: Intake, worker: str, holder: str, settings: Settings, heartbeats: Heartbeats
    ) -> None:
        self._intake = intake
        self._lanes = intake.group.lanes
        self._worker = worker
        self._holder = holder
        self._settings = settings
        self._heartbeats = heartbeats
        self._liveness = LivenessFile(settings.liveness_file)
        self._consumption = {lane.name: Consumption(monotonic()) for lane in self._lanes}

    def beat(self) -> None:
        """Report what the worker does, and send canaries in turn. Transient when the broker is away.

        LIVENESS_FILE is touched unless the worker hangs. It is touched while the broker is away too: then
        nothing can be proven, and to restart the worker would not bring the broker back.
        """
        signs = self._observe()
        try:
            for sign in signs:
                self._heartbeats.work(sign)
            for lane in self._lanes:
                if self._heartbeats.turn(lane.name, CANARY_SECONDS):
                    release(lane, wanted=len(self._heartbeats.read_signs().lane(lane.name)))
        except Transient:
            for seen in self._consumption.values():
                seen.forgive(monotonic(), RECONNECT_SECONDS)
            self._liveness.touch()
            raise
        if not any(sign.hang() for sign in signs):
            self._liveness.touch()

    def _observe(self) -> list[WorkerSign]:
        """A sign for each lane. A task of one lane keeps all busy, for as long as that lane allows."""
        running = next((each for each in list(state.requests.values()) if each.time_start), None)
        return [self._sign(lane, running) for lane in self._lanes]

    def _sign(self, lane: Lane, running: Any) -> WorkerSign:
        """``running``: the ``celery.worker.request.Request`` of the present task, if there is one."""
        now, seen = monotonic(), self._consumption[lane.name]
        seen.observe(self._intake.count(lane), running and running.id, now)
        busy_lane = lane_named(queue_of(running)) if running and self._intake.shared else lane
        return WorkerSign(
            lane=lane.name,
            worker=self._worker,
            pid=os.getpid(),
            idle=round(seen.idle(now), 1),
            busy=seen.busy(now),
            task=seen.task,
            limit=busy_lane.limit(self._settings),
            silence=self._settings.silence_seconds,
            holder=self._holder,
        )


def queue_of(request: Any) -> str:
    """The queue that a task came from. ``request``: Celery's, of the worker or of the task."""
    return str(request.delivery_info["routing_key"])
