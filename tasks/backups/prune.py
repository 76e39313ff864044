"""Pruning: backups that need not be kept are forgotten, then what no backup needs is removed."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from time import monotonic

from rag.backups.vault import Swept
from rag.errors import DamagedBackup, NotFound, TimedOut
from rag.model import JobKind, Json, Stage
from rag.ports import Turn
from tasks.backups import progress
from tasks.backups.backup import release_unused
from tasks.backups.retention import LOCKED_SECONDS, StoredBackups, at_the_vault, open_jobs
from tasks.stages.retry_while_away import patient
from tasks.stages.run import Done, Next, Outcome, StageRun
from tasks.stages.stage import stage_work
from tasks.toolbox import Toolbox

SLICE_SECONDS = 10.0
_REST = 2.0  # while somebody else has the vault
_NAME = "pruning"


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was done so far, and up to which key parts were looked at; "" before the first.

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

    def with_swept(self, swept: Swept) -> "Pruning":
        return replace(
            self,
            objects=self.objects + swept.removed,
            bytes=self.bytes + swept.size,
            locked=self.locked + swept.locked,
            reached=swept.reached or "",
        )

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
    with at_the_vault(run.tools) as alone:
        if not alone:
            return Next(Stage.PRUNE, rest=_REST)
        pruning, through = _advance(run, _kept(run), alone)
    run.save(_NAME, json.dumps(asdict(pruning)).encode())
    return Done(lambda *_: pruning.result()) if through else Next(Stage.PRUNE)


def _advance(run: StageRun, pruning: Pruning, alone: Turn) -> tuple[Pruning, bool]:
    """What is done by now, and whether that is all. Nobody may add a part from the first line on."""
    tools, until = run.tools, monotonic() + LOCKED_SECONDS / 2
    being_made = set(_parts_being_stored(tools))  # before the manifests, which they may become meanwhile
    stock = StoredBackups.of(tools.vault)
    left, refused = _forget(tools, stock)
    removed, released = len(stock) - len(left), release_unused(tools)
    _require_usable(left, removed)
    needed = being_made.union(*(kept.parts for kept in left.whole.values()))
    if monotonic() > until:
        raise TimedOut(
            f"To read {len(stock)} manifests took over {LOCKED_SECONDS / 2:.0f} s: see how fast the store at "
            "BACKUP_URL answers, or keep fewer backups (BACKUP_KEEP_HOURLY_DAYS, BACKUP_KEEP_DAYS)"
        )
    swept = tools.vault.sweep(needed, after=pruning.reached, seconds=SLICE_SECONDS, alone=alone)
    pruning = replace(
        pruning,
        kept=len(left),
        removed=pruning.removed + removed,
        released=pruning.released + released,
        refused=refused,
    )
    return pruning.with_swept(swept), swept.reached is None


def _forget(tools: Toolbox, stock: StoredBackups) -> tuple[StoredBackups, int]:
    """The backups that are left, and how many of them the store refused to forget."""
    outlived = stock.outlived(tools)
    gone = [backup for backup in outlived if tools.vault.forget(backup)]
    tools.backup_status.forget_damage(tools.backup_status.damages().keys() - stock.without(gone).ids)
    return stock.without(gone), len(outlived) - len(gone)


def _kept(run: StageRun) -> Pruning:
    try:
        return Pruning(**json.loads(run.load(_NAME)))
    except NotFound:
        return Pruning()


def _parts_being_stored(tools: Toolbox) -> Iterator[str]:
    """Keys that the checkpoints of open backups name."""
    for job in open_jobs(tools):
        if job.kind is JobKind.BACKUP:
            with suppress(NotFound):  # it has not begun, or is over by now
                for stream in progress.streams(tools.jobs, job.id):
                    yield from (part.key for part in stream.parts)


def _require_usable(stock: StoredBackups, removed: int) -> None:
    """DamagedBackup while there are manifests that do not say which parts they need."""
    if stock.unusable:
        reasons = "; ".join(map(str, stock.unusable.values()))
        raise DamagedBackup(
            f"{removed} backups were forgotten, but no part was removed, since it cannot be told which ones "
            f"are needed: {reasons}. Give the key that they were made with, or remove these manifests"
        )
