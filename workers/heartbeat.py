"""A worker's heartbeats, sent from a thread of their own.

That the thread runs proves nothing. So a heartbeat reports what Celery knows of the pool: how
long ago a task began, and which one has been running for how long. The thread also sends the
lane's canaries when it is this worker's turn.
"""

import logging
import os
from time import monotonic
from urllib.parse import urlsplit

from celery.worker import state

from rag.errors import Transient
from rag.model import Json
from rag.redis.heartbeats import Consumption, Heartbeats, WorkerSign
from rag.settings import Settings
from rag.system.certificates import certificate_end
from rag.system.liveness import LivenessFile
from tasks.app import Lane
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


class Heartbeat:
    """The heartbeats of a worker. ``worker``: its Celery node name; ``holder``: under which it holds jobs."""

    def __init__(
        self, lane: Lane, worker: str, holder: str, settings: Settings, heartbeats: Heartbeats
    ) -> None:
        self._lane = lane
        self._worker = worker
        self._holder = holder
        self._settings = settings
        self._heartbeats = heartbeats
        self._liveness = LivenessFile(settings.liveness_file)
        self._consumption = Consumption(monotonic())

    def beat(self) -> None:
        """Report what the worker does, and send canaries in turn. Transient when the broker is away.

        LIVENESS_FILE is touched unless the worker hangs. It is touched while the broker is away too: then
        nothing can be proven, and to restart the worker would not bring the broker back.
        """
        sign = self._observe()
        try:
            self._heartbeats.work(sign)
            if self._heartbeats.turn(self._lane.name, CANARY_SECONDS):
                release(self._lane, wanted=len(self._heartbeats.read_signs().lane(self._lane.name)))
        except Transient:
            self._consumption.forgive(monotonic(), RECONNECT_SECONDS)
            self._liveness.touch()
            raise
        if sign.hang() is None:
            self._liveness.touch()

    def _observe(self) -> WorkerSign:
        now, seen = monotonic(), self._consumption
        running = [request.id for request in list(state.requests.values()) if request.time_start]
        seen.observe(state.all_total_count[0], next(iter(running), None), now)
        return WorkerSign(
            lane=self._lane.name,
            worker=self._worker,
            pid=os.getpid(),
            idle=round(seen.idle(now), 1),
            busy=seen.busy(now),
            task=seen.task,
            limit=self._lane.limit(self._settings),
            silence=self._settings.silence_seconds,
            holder=self._holder,
        )
