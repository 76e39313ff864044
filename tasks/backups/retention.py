"""The backups that a vault has, and which of them need not be kept any longer."""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from sys import intern
from time import time

from rag.backups.retention import Retention
from rag.backups.vault import Vault
from rag.errors import BackupError, NotFound
from rag.journal.entries import made_at
from rag.model import ABOUT_BACKUPS, Job, JobState
from rag.ports import Turn, all_items
from tasks.toolbox import Toolbox

LOCKED_SECONDS = 180.0
"""The longest time for which a job that adds or removes parts has the vault for itself."""

VAULT_IN_USE = "another job about backups, which uses their store now"
"""What a job waits for that does not get the lock."""

_FOLLOWED_AFTER = 30.0  # when the process that held the lock was killed
_PAGE = 100
_READ_AT_ONCE = 8


def vault_lock(tools: Toolbox) -> AbstractContextManager[Turn]:
    """The lock for jobs that add parts which no checkpoint names yet, or remove parts that nothing names."""
    return tools.jobs.alone("vault", seconds=LOCKED_SECONDS, followed_after=_FOLLOWED_AFTER)


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """What a prune has to know of a backup: when it was finished, and the keys of its parts."""

    finished_at: float
    parts: frozenset[str]

    @classmethod
    def load(cls, vault: Vault, backup: str) -> "StoredBackup | BackupError | None":
        """The error if it cannot be used; None if it was removed since it was listed."""
        try:
            manifest = vault.manifest(backup)
        except NotFound:
            return None
        except BackupError as error:
            return error
        return cls(manifest.finished_at, frozenset(map(intern, manifest.parts)))


@dataclass(frozen=True, slots=True)
class StoredBackups:
    """The usable backups by id, and why others cannot be used. Keys that they share are in memory once."""

    whole: dict[str, StoredBackup]
    unusable: dict[str, BackupError]

    @classmethod
    def of(cls, vault: Vault) -> "StoredBackups":
        whole: dict[str, StoredBackup] = {}
        unusable: dict[str, BackupError] = {}
        backups = vault.backups()
        with ThreadPoolExecutor(_READ_AT_ONCE, "manifests") as pool:
            for backup, found in zip(
                backups, pool.map(partial(StoredBackup.load, vault), backups), strict=True
            ):
                if isinstance(found, StoredBackup):
                    whole[backup] = found
                elif found is not None:
                    unusable[backup] = found
        return cls(whole, unusable)

    @property
    def ids(self) -> frozenset[str]:
        return frozenset((*self.whole, *self.unusable))

    def __len__(self) -> int:
        return len(self.whole) + len(self.unusable)

    def without(self, backups: Collection[str]) -> "StoredBackups":
        whole = {backup: each for backup, each in self.whole.items() if backup not in backups}
        unusable = {backup: each for backup, each in self.unusable.items() if backup not in backups}
        return StoredBackups(whole, unusable)

    def expired(self, tools: Toolbox) -> list[str]:
        """The ids of backups whose retention has ended, and which no open job uses."""
        times = {backup: kept.finished_at for backup, kept in self.whole.items()}
        times |= {backup: _begun_at(backup) for backup in self.unusable}
        protected = {job.inputs["backup"] for job in open_jobs(tools) if "backup" in job.inputs}
        damaged = {*self.unusable, *tools.backup_status.damages()}
        kept = Retention.of(tools.settings).kept(times, time(), protected=protected, damaged=damaged)
        return sorted(times.keys() - kept)


def open_jobs(tools: Toolbox) -> Iterator[Job]:
    """Open jobs about backups. Queued ones are listed twice, since a running job may go back to the queue."""
    seen = set[str]()
    for state in (JobState.QUEUED, JobState.RUNNING, JobState.QUEUED):
        for kind in ABOUT_BACKUPS:
            page = partial(tools.jobs.page, states=[state], kinds=[kind], collections=None, limit=_PAGE)
            for job in all_items(page):
                if job.id not in seen:
                    seen.add(job.id)
                    yield job


def _begun_at(backup: str) -> float:
    """The time in its id; infinity for a name that is no id, so that a prune leaves it alone."""
    try:
        return made_at(backup)
    except ValueError:
        return inf


def needs_full_backup(tools: Toolbox) -> bool:
    """Whether no full backup was made since damage was found. Other backups share the damaged parts."""
    found = max(tools.backup_status.damages().values(), default=None)
    if found is None:
        return False
    for backup in reversed([each for each in tools.vault.backups() if _begun_at(each) >= found]):
        with suppress(BackupError, NotFound):
            if tools.vault.manifest(backup).mode == "full":
                return False
    return True
