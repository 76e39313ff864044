"""What is asked of backups: make one, verify, rehearse, restore or prune them."""

from dataclasses import dataclass
from time import time

from rag.backups.vault import Vault
from rag.errors import Conflict, InvalidRequest, NotFound
from rag.model import LATEST, JobKind, Json, Manifest, NewJob
from rag.naming import new_id
from rag.ports import Accepted, DocumentRegistry, JobStore
from tasks.submit.acceptance import Acceptance
from tasks.submit.requests import Idempotency

EVERYTHING = ""
"""The collection of a job that is about all of them."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """``backup``: an id, or LATEST. ``collection`` None: all that it has.

    ``into``: the name for the one collection that is restored, beside what is there. ``at``: as things were
    then, out of the newest backup up to that time. ``replay`` False: what was accepted after the
    backup is left out. ``deletions``: what was deleted after it is deleted again, as always with ``at``.
    """

    backup: str = LATEST
    collection: str | None = None
    into: str | None = None
    at: float | None = None
    replay: bool = True
    deletions: bool = False


class BackupSubmissions:
    """Where jobs about backups are handed in. ``owner``: name of the key that asks."""

    def __init__(
        self, vault: Vault, jobs: JobStore, documents: DocumentRegistry, acceptance: Acceptance
    ) -> None:
        self._vault = vault
        self._jobs = jobs
        self._documents = documents
        self._acceptance = acceptance

    def back_up(
        self, mode: str, trigger: str, idempotency: Idempotency | None = None, *, owner: str = ""
    ) -> Accepted:
        """Make a backup; ``mode`` "incremental" or "full", ``trigger`` "schedule" or "request"."""
        return self._hand_in(JobKind.BACKUP, {"mode": mode, "trigger": trigger}, idempotency, owner)

    def verify(self, backup: str, idempotency: Idempotency | None = None, *, owner: str = "") -> Accepted:
        """Read every object of the backup again. NotFound, BackupError."""
        return self._about(JobKind.VERIFY, backup, idempotency, owner)

    def rehearse(self, backup: str, idempotency: Idempotency | None = None, *, owner: str = "") -> Accepted:
        """Restore the backup beside what serves, compare, and drop it again. NotFound, BackupError."""
        return self._about(JobKind.REHEARSE, backup, idempotency, owner)

    def restore(
        self, asked: Restoring, idempotency: Idempotency | None = None, *, owner: str = ""
    ) -> Accepted:
        """Restore out of a backup. NotFound for a backup, or a collection of it; BackupError.

        InvalidRequest for a time that the backup is not of; Conflict where ``into`` is there already.
        """
        if earlier := self._earlier(idempotency):
            return earlier
        if asked.at is not None and asked.at > time():
            raise InvalidRequest("at: is in the future")
        manifest = self._found(asked.backup, before=asked.at)
        inputs: Json = {
            "backup": manifest.id,
            "collection": _chosen(asked, manifest),
            "into": asked.into,
            "at": asked.at,
            "replay": asked.replay,
            "deletions": asked.deletions,
        }
        if asked.into is not None and self._documents.collection(asked.into) is not None:
            raise Conflict(f"Collection {asked.into!r} is there already: choose another name, or delete it")
        return self._hand_in(JobKind.RESTORE, inputs, idempotency, owner)

    def prune(self, idempotency: Idempotency | None = None, *, owner: str = "") -> Accepted:
        """Remove the backups that need not be kept, and what no backup needs."""
        return self._hand_in(JobKind.PRUNE, {}, idempotency, owner)

    def _about(self, kind: JobKind, backup: str, idempotency: Idempotency | None, owner: str) -> Accepted:
        earlier = self._earlier(idempotency)
        return earlier or self._hand_in(kind, {"backup": self._found(backup).id}, idempotency, owner)

    def _earlier(self, idempotency: Idempotency | None) -> Accepted | None:
        """The job of a submit that this one repeats, whatever has become of its backup."""
        if idempotency is None:
            return None
        return self._jobs.repeated(idempotency_key=idempotency.key, body_digest=idempotency.body_digest)

    def _found(self, backup: str, *, before: float | None = None) -> Manifest:
        if backup == LATEST:
            return self._vault.latest(before=before)
        manifest = self._vault.manifest(backup)
        if before is not None and before < manifest.finished_at:
            raise InvalidRequest(f"at: backup {backup} is of later; {LATEST!r} finds the one to begin with")
        return manifest

    def _hand_in(self, kind: JobKind, inputs: Json, idempotency: Idempotency | None, owner: str) -> Accepted:
        job = NewJob(new_id(), kind, kind.first_stage(inputs), EVERYTHING, inputs, owner=owner)
        return self._acceptance.hand_in(job, idempotency)


def _chosen(asked: Restoring, manifest: Manifest) -> str | None:
    """The one collection that is meant; None: all of them. NotFound, InvalidRequest."""
    names = [collection.name for collection in manifest.collections]
    if asked.collection is not None and asked.collection not in names:
        known = ", ".join(names) or "none"
        raise NotFound(f"Backup {manifest.id} has no collection {asked.collection!r}: it has {known}")
    if asked.collection is None and asked.into is not None:
        if len(names) != 1:
            raise InvalidRequest(f"into: say which collection is meant, of {', '.join(names) or 'none'}")
        return names[0]
    return asked.collection
