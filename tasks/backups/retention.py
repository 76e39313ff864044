"""The backups that a vault has, and which of them need not be kept any longer."""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
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
"""For which whoever adds parts, or removes them, is alone with the vault at most."""

_FOLLOWED_AFTER = 30.0  # whoever was killed at it
_PAGE = 100
_READ_AT_ONCE = 8


def at_the_vault(tools: Toolbox) -> AbstractContextManager[Turn]:
    """The turn of one who adds parts that no checkpoint names yet, or removes those that nothing names."""
    return tools.jobs.alone("vault", seconds=LOCKED_SECONDS, followed_after=_FOLLOWED_AFTER)


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """A backup as a prune needs to know it: when it was finished, and the keys of its parts."""

    finished_at: float
    parts: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoredBackups:
    """Backups by id, and why others cannot be used. Keys that backups share are in memory once."""

    whole: dict[str, StoredBackup]
    unusable: dict[str, BackupError]

    @classmethod
    def of(cls, vault: Vault) -> "StoredBackups":
        whole: dict[str, StoredBackup] = {}
        unusable: dict[str, BackupError] = {}
        backups = vault.backups()
        with ThreadPoolExecutor(_READ_AT_ONCE, "manifests") as pool:
            for backup, found in zip(backups, pool.map(partial(_found, vault), backups), strict=True):
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

    def outlived(self, tools: Toolbox) -> list[str]:
        """Ids of backups that the settings let go, and no job is about."""
        times = {backup: kept.finished_at for backup, kept in self.whole.items()}
        times |= {backup: _begun_at(backup) for backup in self.unusable}
        protected = {job.inputs["backup"] for job in open_jobs(tools) if "backup" in job.inputs}
        damaged = {*self.unusable, *tools.backup_status.damages()}
        kept = Retention.of(tools.settings).kept(times, time(), protected=protected, damaged=damaged)
        return sorted(times.keys() - kept)


def _found(vault: Vault, backup: str) -> StoredBackup | BackupError | None:
    """None when it was removed since it was listed."""
    try:
        manifest = vault.manifest(backup)
    except NotFound:
        return None
    except BackupError as error:
        return error
    return StoredBackup(manifest.finished_at, frozenset(map(intern, manifest.parts)))


def open_jobs(tools: Toolbox) -> Iterator[Job]:
    """Those that are about backups. Queued ones are asked for twice, since a running one may become one."""
    seen = set[str]()
    for state in (JobState.QUEUED, JobState.RUNNING, JobState.QUEUED):
        for kind in ABOUT_BACKUPS:
            page = partial(tools.jobs.page, states=[state], kinds=[kind], collections=None, limit=_PAGE)
            for job in all_items(page):
                if job.id not in seen:
                    seen.add(job.id)
                    yield job


def _begun_at(backup: str) -> float:
    """By its id; never for what is no id, which is then left alone."""
    try:
        return made_at(backup)
    except ValueError:
        return inf


def unmended(tools: Toolbox) -> bool:
    """Whether damage was found, and no full backup was made since: others share what is damaged."""
    found = max(tools.backup_status.damages().values(), default=None)
    if found is None:
        return False
    since = [backup for backup in tools.vault.backups() if _begun_at(backup) >= found]
    return not any(_is_full(tools.vault, backup) for backup in reversed(since))


def _is_full(vault: Vault, backup: str) -> bool:
    try:
        return vault.manifest(backup).mode == "full"
    except (BackupError, NotFound):
        return False
