"""The backups that a vault has, and which of them need not be kept any longer."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from time import time

from rag.errors import BackupError, DamagedBackup, NotFound
from rag.model import ABOUT_BACKUPS, Job, JobKind, JobState, Json, Manifest
from rag.retention import Retention
from rag.stores.backups.vault import Vault
from rag.stores.entries import made_at
from tasks.toolbox import Toolbox

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Stock:
    """Manifests by id, and why those of other backups cannot be used."""

    whole: dict[str, Manifest]
    unusable: dict[str, BackupError]

    @classmethod
    def of(cls, vault: Vault) -> "Stock":
        whole: dict[str, Manifest] = {}
        unusable: dict[str, BackupError] = {}
        for backup in vault.backups():
            try:
                whole[backup] = vault.manifest(backup)
            except NotFound:
                continue  # removed since it was listed
            except BackupError as error:
                unusable[backup] = error
        return cls(whole, unusable)

    def __len__(self) -> int:
        return len(self.whole) + len(self.unusable)

    def without(self, backups: Collection[str]) -> "Stock":
        whole = {backup: each for backup, each in self.whole.items() if backup not in backups}
        unusable = {backup: each for backup, each in self.unusable.items() if backup not in backups}
        return Stock(whole, unusable)

    def outlived(self, tools: Toolbox) -> list[str]:
        """Ids of backups that the settings let go, and no job is about."""
        times = {backup: manifest.finished_at for backup, manifest in self.whole.items()}
        times |= {backup: _begun_at(backup) for backup in self.unusable}
        protected = {job.inputs["backup"] for job in open_jobs(tools) if "backup" in job.inputs}
        damaged = {*self.unusable, *(word["backup"] for word in _damages(tools))}
        kept = Retention.of(tools.settings).kept(times, time(), protected=protected, damaged=damaged)
        return sorted(times.keys() - kept)


def open_jobs(tools: Toolbox) -> Iterator[Job]:
    """Those that are about backups."""
    for state in (JobState.QUEUED, JobState.RUNNING):
        for kind in ABOUT_BACKUPS:
            yield from _all(tools, state, kind)


def _all(tools: Toolbox, state: JobState, kind: JobKind) -> Iterator[Job]:
    cursor = None
    while True:
        window = tools.jobs.page(state=state, kind=kind, collections=None, cursor=cursor, limit=_PAGE)
        yield from window.items
        cursor = window.next
        if cursor is None:
            return


def _begun_at(backup: str) -> float:
    """By its id; the present time for what is no id, which is then left alone."""
    try:
        return made_at(backup)
    except ValueError:
        return time()


def unmended(tools: Toolbox) -> bool:
    """Whether damage was found, and no full backup was made since: others share what is damaged."""
    found = max((word["at"] for word in _damages(tools)), default=None)
    if found is None:
        return False
    since = [backup for backup in tools.vault.backups() if _begun_at(backup) >= found]
    return not any(_is_full(tools.vault, backup) for backup in reversed(since))


def _is_full(vault: Vault, backup: str) -> bool:
    try:
        return vault.manifest(backup).mode == "full"
    except (BackupError, NotFound):
        return False


def _damages(tools: Toolbox) -> Iterator[Json]:
    """The word on the last verification, and on the last rehearsal, where that found damage."""
    words = tools.standing.words()
    for kind in (JobKind.VERIFY, JobKind.REHEARSE):
        if words.get(kind, {}).get("reason") == DamagedBackup.code:
            yield words[kind]
