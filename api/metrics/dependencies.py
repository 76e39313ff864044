"""Whether the servers that Aegis needs answer, the room on broker and disks, and the ends of certificates."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import time

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.calls.parts import Parts
from api.metrics.families import StoreCollector, gauge, gauges
from api.metrics.probes import Probe
from rag.errors import AegisError, NoRoom
from rag.model import Stage
from rag.redis.heartbeats import VECTORS, Signs
from rag.settings import Settings
from rag.system.certificates import certificate_end
from tasks.submit.submissions import LANE_STAGES

_UP = "1 when it answers, 0 when it does not; absent while nobody knows"
_EXPIRY = "Seconds until the certificate that the server shows ends; only with TLS"
_SEARCHING = next(lane for lane, stages in LANE_STAGES.items() if Stage.SEARCH in stages)
_MODEL_SERVERS = ("jina", "ollama", "openai")

log = logging.getLogger(__name__)


class DependencyCollector(StoreCollector):
    """What is known of each server, from the heartbeats of workers and from checks of this process."""

    subject = "states of dependencies"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._blobs = Probe(self._reach_blobs, every=10, limit=15)
        self._redis_certificate = Probe(lambda: _redis_certificate(parts.settings), every=3600, limit=10)

    def families(self) -> Iterator[Metric]:
        signs = self._parts.heartbeats.read_signs()
        health = self._parts.broker.check()
        models = self._parts.servers.read(_MODEL_SERVERS)
        up = {"redis": True, **_engine(signs), "blobs": bool(self._blobs.latest()), **models}
        yield gauges("aegis_dependency_up", _UP, "dependency", up)
        yield gauge("aegis_broker_memory_bytes", "Bytes of memory that the broker uses", health.used)
        limit = "Bytes of memory that the broker may use; 0: it has no limit"
        yield gauge("aegis_broker_memory_limit_bytes", limit, health.most)
        ends = {"redis": self._redis_certificate.latest(), "qdrant": _engine_certificate(signs)}
        left = {name: end - time() for name, end in ends.items() if end}
        yield gauges("aegis_certificate_expiry_seconds", _EXPIRY, "dependency", left)

    def without_broker(self) -> Iterable[Metric]:
        up = {"redis": 0, "blobs": bool(self._blobs.latest())}
        return [gauges("aegis_dependency_up", _UP, "dependency", up)]

    def _reach_blobs(self) -> bool:
        try:
            self._parts.blobs.exists("probe")
        except AegisError as error:
            log.debug("the blob store does not answer: %s", error)
            return False
        return True


def _engine(signs: Signs) -> dict[str, bool]:
    """Whether the vector engine answers, as the workers that search say; nothing without such a worker."""
    if VECTORS in signs.components:
        return {"qdrant": True}
    return {"qdrant": False} if signs.lane(_SEARCHING) else {}


def _engine_certificate(signs: Signs) -> float | None:
    end = signs.components.get(VECTORS, {}).get("certificate_ends")
    return float(end) if end else None


def _redis_certificate(settings: Settings) -> float | None:
    address = settings.redis_address
    if address.tls is None:
        return None
    try:
        return certificate_end(*address.nodes[0])
    except OSError as error:
        log.debug("the broker's certificate cannot be read: %s", error)
        return None


@dataclass(eq=False)
class DiskCollector(Collector):
    """The disks of this machine that jobs need."""

    parts: Parts

    def collect(self) -> Iterable[Metric]:
        try:
            rooms = {str(room.folder): room for room in self.parts.disks.rooms()}
        except NoRoom as error:
            log.warning("the disks' figures are missing from /metrics: %s", error)
            return []
        free = {mount: room.free for mount, room in rooms.items()}
        total = {mount: room.total for mount, room in rooms.items()}
        return [
            gauges("aegis_disk_free_bytes", "Bytes that are free for jobs, by folder", "mount", free),
            gauges("aegis_disk_bytes", "Bytes of the disk that a folder is on", "mount", total),
        ]
