"""Prunes backups: forgets those that need not be kept, then removes the parts that no backup needs."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from time import monotonic

from rag.errors import DamagedBackup, NotFound, TimedOut
from rag.model import JobKind, Json, Stage
from rag.ports import Turn
from tasks.backups import progress
from tasks.backups.backup import release_unused
from tasks.backups.retention import LOCKED_SECONDS, VAULT_IN_USE, StoredBackups, open_jobs, vault_lock
from tasks.stages.retry_while_away import patient
from tasks.stages.run import Done, Next, Outcome, StageRun
from tasks.stages.stage import stage_work
from tasks.toolbox import Toolbox

SLICE_SECONDS = 10.0
_REST = 2.0  # while another job uses the vault
_NAME = "pruning"


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was done so far. ``reached``: the last key of a part that was looked at; "" before the first.

    ``kept`` and ``removed``: backups; ``released``: snapshots; ``objects`` of ``bytes`` in all were removed;
    ``refused`` manifests and ``locked`` objects were not.
    """

    kept: int = 0
    removed: int = 0
    released: int = 0
    objects: int = 0
    bytes: int = 0
    refused: int = 0
    locked: int = 0
    reached: str = ""

    @classmethod
    def load(cls, run: StageRun) -> "Pruning":
        try:
            return cls(**json.loads(run.load(_NAME)))
        except NotFound:
            return cls()

    def result(self) -> Json:
        return {
            "kept": self.kept,
            "removed": self.removed,
            "released": self.released,
            "objects": self.objects,
            "bytes": self.bytes,
            "locked": self.refused + self.locked,
        }


@stage_work(Stage.PRUNE)
@patient
def prune(run: StageRun) -> Outcome:
    """Forget backups as the settings say, and remove the parts that no backup needs."""
    with vault_lock(run.tools) as lock:
        if not lock:
            return Next(Stage.PRUNE, rest=_REST, why=VAULT_IN_USE)
        pruning, through = _advance(run.tools, Pruning.load(run), lock)
    run.save(_NAME, json.dumps(asdict(pruning)).encode())
    return Done(lambda *_: pruning.result()) if through else Next(Stage.PRUNE)


def _advance(tools: Toolbox, pruning: Pruning, lock: Turn) -> tuple[Pruning, bool]:
    """The new state, and whether it is complete. The caller has the lock, so nobody adds a part."""
    # Half of the time under the lock, so that the other half is left for the sweep.
    until = monotonic() + LOCKED_SECONDS / 2
    # Open backups come before the manifests, since one of them may become a manifest meanwhile.
    needed = set(_parts_of_open_backups(tools))
    stored = StoredBackups.of(tools.vault)
    expired = stored.expired(tools)
    left = stored.without([backup for backup in expired if tools.vault.forget(backup)])
    tools.backup_status.forget_damage(tools.backup_status.damages().keys() - left.ids)
    removed, released = len(stored) - len(left), release_unused(tools)
    if left.unusable:
        reasons = "; ".join(map(str, left.unusable.values()))
        raise DamagedBackup(
            f"{removed} backups were forgotten, but no part was removed, since it cannot be told which ones "
            f"are needed: {reasons}. Give the key that they were made with, or remove these manifests"
        )
    needed.update(*(backup.parts for backup in left.whole.values()))
    if monotonic() > until:
        raise TimedOut(
            f"To read {len(stored)} manifests took over {LOCKED_SECONDS / 2:.0f} s: see how fast the store "
            "at BACKUP_URL answers, or keep fewer backups (BACKUP_KEEP_HOURLY_DAYS, BACKUP_KEEP_DAYS)"
        )
    swept = tools.vault.sweep(needed, after=pruning.reached, seconds=SLICE_SECONDS, alone=lock)
    pruning = Pruning(
        kept=len(left),
        removed=pruning.removed + removed,
        released=pruning.released + released,
        objects=pruning.objects + swept.removed,
        bytes=pruning.bytes + swept.size,
        refused=len(expired) - removed,
        locked=pruning.locked + swept.locked,
        reached=swept.reached or "",
    )
    return pruning, swept.reached is None


def _parts_of_open_backups(tools: Toolbox) -> Iterator[str]:
    """The keys of parts that the checkpoints of open backups name."""
    for job in open_jobs(tools):
        if job.kind is JobKind.BACKUP:
            with suppress(NotFound):  # it has not begun, or is over by now
                for stream in progress.streams(tools.jobs, job.id):
                    yield from (part.key for part in stream.parts)
