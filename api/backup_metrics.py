"""How backups stand, for Prometheus: ages, outcomes and times of the last jobs of each kind."""

import logging
from collections.abc import Iterable, Mapping
from time import time

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rag.errors import Transient
from rag.model import JobKind, Json
from rag.stores.backups.standing import Standing

_NAMES: Mapping[JobKind, tuple[str, str]] = {
    JobKind.BACKUP: ("aegis_backup", "backup"),
    JobKind.VERIFY: ("aegis_backup_verification", "verification of a backup"),
    JobKind.REHEARSE: ("aegis_backup_rehearsal", "rehearsal of a restore"),
    JobKind.RESTORE: ("aegis_backup_restore", "restore"),
    JobKind.PRUNE: ("aegis_backup_prune", "prune of backups"),
}
"""What the figures of each kind are called, and what they are of."""

log = logging.getLogger(__name__)


class BackupCollector(Collector):
    """Read from the last words on each kind when asked. Before the first of a kind its figures are absent."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def collect(self) -> Iterable[Metric]:
        """One family a figure; none when the broker is away."""
        try:
            words = self._standing.words()
        except Transient as error:
            log.warning("figures of backups are missing from /metrics: %s", error)
            return []
        return [metric for kind in _NAMES for metric in _figures(kind, words)]


def _figures(kind: JobKind, words: Mapping[str, Json]) -> Iterable[Metric]:
    name, what = _NAMES[kind]
    if last := words.get(kind):
        yield _gauge(f"{name}_ok", f"1 when the last {what} succeeded", last["ok"])
    if good := words.get(f"{kind}:good"):
        yield _gauge(f"{name}_age_seconds", f"Since the last good {what} began", _since_its_begin(good))
        yield _gauge(f"{name}_seconds", f"What the last good {what} took", good["seconds"])
        if kind is JobKind.BACKUP:
            yield _gauge(f"{name}_bytes", "Of the last good backup, as it is stored", good["bytes"])
            lacking = "Documents of the last good backup of which the engine lacked points"
            yield _gauge(f"{name}_documents_lacking_points", lacking, good.get("lacking", 0))


def _since_its_begin(word: Json) -> float:
    """Seconds: what was accepted since a backup began may not be in it."""
    return max(0.0, time() - float(word["at"]) + float(word["seconds"]))


def _gauge(name: str, help_: str, figure: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=float(figure))
