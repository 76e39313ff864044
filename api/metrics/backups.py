"""Backups: ages, outcomes and times of the last jobs about them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import time

from prometheus_client.metrics_core import Metric

from api.metrics.families import StoreCollector, gauge
from rag.backups.status import BackupStatus
from rag.model import JobKind, Json

# Name of the figures of each kind, and what they are of.
_BACKUP_JOBS: Mapping[JobKind, tuple[str, str]] = {
    JobKind.BACKUP: ("aegis_backup", "backup"),
    JobKind.VERIFY: ("aegis_backup_verification", "verification of a backup"),
    JobKind.REHEARSE: ("aegis_backup_rehearsal", "rehearsal of a restore"),
    JobKind.RESTORE: ("aegis_backup_restore", "restore"),
    JobKind.PRUNE: ("aegis_backup_prune", "prune of backups"),
}


@dataclass(eq=False)
class BackupCollector(StoreCollector):
    """Ages, outcomes and times of the last jobs of each kind; a kind without a job yet has no figures."""

    backup_status: BackupStatus
    subject = "figures of backups"

    def families(self) -> Iterable[Metric]:
        words = self.backup_status.results()
        for kind, (name, what) in _BACKUP_JOBS.items():
            if last := words.get(kind):
                yield gauge(f"{name}_ok", f"1 when the last {what} succeeded", last["ok"])
            if good := words.get(f"{kind}:good"):
                yield from self._good_families(kind, name, what, good)

    def _good_families(self, kind: JobKind, name: str, what: str, good: Json) -> Iterable[Metric]:
        # From its begin: what was accepted since a backup began may not be in it.
        age = max(0.0, time() - float(good["at"]) + float(good["seconds"]))
        yield gauge(f"{name}_age_seconds", f"Seconds since the last good {what} began", age)
        yield gauge(f"{name}_seconds", f"Seconds that the last good {what} took", good["seconds"])
        if kind is JobKind.BACKUP:
            lacking = "Documents of the last good backup of which the engine lacked points"
            yield gauge(f"{name}_bytes", "Bytes of the last good backup, as it is stored", good["bytes"])
            yield gauge(f"{name}_documents_lacking_points", lacking, good.get("lacking", 0))
