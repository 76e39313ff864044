"""What is asked of backups: make one, verify, rehearse, restore or prune them."""

from dataclasses import dataclass

from rag.errors import NotFound
from rag.model import LATEST, JobKind, Json, Manifest, NewJob
from rag.ports import Accepted
from rag.stores.backups.vault import Vault
from tasks.acceptance import Acceptance, new_id
from tasks.intake import Idempotency

EVERYTHING = ""
"""The collection of a job that is about all of them."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """``backup``: an id, or LATEST. ``collection`` None: all that it has.

    ``into``: the name for the one collection that is restored, beside what is there. ``at``: as things were
    then, out of the newest backup up to that time. ``replay`` False: what was accepted after the
    backup is left out.
    """

    backup: str = LATEST
    collection: str | None = None
    into: str | None = None
    at: float | None = None
    replay: bool = True


class BackupDesk:
    """Where jobs about backups are handed in."""

    def __init__(self, vault: Vault, acceptance: Acceptance) -> None:
        self._vault = vault
        self._acceptance = acceptance

    def back_up(self, mode: str, trigger: str, idempotency: Idempotency | None = None) -> Accepted:
        """Make a backup; ``mode`` "incremental" or "full", ``trigger`` "schedule" or "request"."""
        return self._hand_in(JobKind.BACKUP, {"mode": mode, "trigger": trigger}, idempotency)

    def verify(self, backup: str, idempotency: Idempotency | None = None) -> Accepted:
        """Read every object of the backup again. NotFound, BackupError."""
        return self._hand_in(JobKind.VERIFY, {"backup": self._found(backup).id}, idempotency)

    def rehearse(self, backup: str, idempotency: Idempotency | None = None) -> Accepted:
        """Restore the backup beside what serves, compare, and drop it again. NotFound, BackupError."""
        return self._hand_in(JobKind.REHEARSE, {"backup": self._found(backup).id}, idempotency)

    def restore(self, asked: Restoring, idempotency: Idempotency | None = None) -> Accepted:
        """Restore out of a backup. NotFound for a backup, or a collection of it; BackupError."""
        manifest = self._found(asked.backup, before=asked.at)
        names = [collection.name for collection in manifest.collections]
        if asked.collection is not None and asked.collection not in names:
            known = ", ".join(names) or "none"
            raise NotFound(f"Backup {manifest.id} has no collection {asked.collection!r}: it has {known}")
        inputs: Json = {
            "backup": manifest.id,
            "collection": asked.collection,
            "into": asked.into,
            "at": asked.at,
            "replay": asked.replay,
        }
        return self._hand_in(JobKind.RESTORE, inputs, idempotency)

    def prune(self, idempotency: Idempotency | None = None) -> Accepted:
        """Remove the backups that need not be kept, and what no backup needs."""
        return self._hand_in(JobKind.PRUNE, {}, idempotency)

    def _found(self, backup: str, *, before: float | None = None) -> Manifest:
        return self._vault.newest(before=before) if backup == LATEST else self._vault.manifest(backup)

    def _hand_in(self, kind: JobKind, inputs: Json, idempotency: Idempotency | None) -> Accepted:
        job = NewJob(id=new_id(), kind=kind, stage=kind.first_stage, collection=EVERYTHING, inputs=inputs)
        return self._acceptance.hand_in(job, idempotency)
