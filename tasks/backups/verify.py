"""Every object of a backup that a job needs is read again, before anything is made of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rag.backups.contents import BLOBS, COLLECTIONS, JOBS
from rag.backups.packs import OpenBackup, Unpacking
from rag.errors import DamagedBackup, NotFound
from rag.model import JobKind, Json, Manifest, SavedCollection, StoredPart
from tasks.backups.plan import Slice, wanted
from tasks.stages.run import StageRun

NAMED = 5
"""Damaged objects that an error names."""

_NAME = "verified"


@dataclass(frozen=True, slots=True)
class Verified:
    """So many of the objects, by key ascending, were read. ``damaged``: the first of those that are, and
    ``more``: how many beside them."""

    objects: int = 0
    bytes: int = 0
    damaged: tuple[str, ...] = ()
    more: int = 0

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Verified":
        return cls(**{**fields, "damaged": tuple(fields["damaged"])})

    def with_part(self, part: StoredPart, damage: str | None) -> "Verified":
        found = self.damaged if damage is None else (*self.damaged, damage)
        more = self.more + len(found[NAMED:])
        return Verified(self.objects + 1, self.bytes + part.size, found[:NAMED], more)

    @property
    def figures(self) -> Json:
        return {"objects": self.objects, "bytes": self.bytes}


def verify_objects(run: StageRun, backup: OpenBackup, turn: Slice) -> Verified | None:
    """What was read, once that is everything; None when the turn is over before.

    DamagedBackup, WrongKey; a restore ends with the first damage, others read the rest for more of it.
    """
    parts = sorted(_needed(run, backup).values(), key=lambda part: part.key)
    total, state = sum(part.size for part in parts), _kept(run)
    for part in parts[state.objects :]:
        if turn.over(run):
            return None
        state = _with(run, state, part)
        run.progress(state.bytes, total)
    if state.damaged:
        raise DamagedBackup(_all_damaged(backup.manifest, state))
    return state


def _with(run: StageRun, state: Verified, part: StoredPart) -> Verified:
    """``state`` after the object was read, and kept."""
    damage = None
    try:
        run.tools.vault.piece(part)
    except DamagedBackup as error:
        if run.job.kind is JobKind.RESTORE:
            raise
        damage = str(error)
    state = state.with_part(part, damage)
    run.save(_NAME, json.dumps(asdict(state)).encode())
    return state


def _kept(run: StageRun) -> Verified:
    try:
        return Verified.of(json.loads(run.load(_NAME)))
    except NotFound:
        return Verified()


def _needed(run: StageRun, backup: OpenBackup) -> Mapping[str, StoredPart]:
    """By key: all objects, or those of the one collection that is restored."""
    if run.job.inputs.get("collection") is None:
        return backup.manifest.parts
    return {part.key: part for saved in wanted(run, backup.manifest) for part in _parts(backup, saved)}


def _parts(backup: OpenBackup, saved: SavedCollection) -> Iterator[StoredPart]:
    names = {saved.documents_stream, saved.golden_stream, COLLECTIONS, JOBS, BLOBS}
    names |= {*saved.packs, *(file.stream for file in saved.files)}
    for stream in backup.manifest.streams:
        if stream.name in names:
            yield from stream.parts
    unpacking = Unpacking(backup)
    for blob in backup.blobs(saved):
        yield from unpacking.parts(blob)


def _all_damaged(manifest: Manifest, state: Verified) -> str:
    named, count = "; ".join(state.damaged), len(state.damaged) + state.more
    counts = f"Of {state.objects} objects of backup {manifest.id}, {count} are damaged"
    return f"{counts}: {named}" + (f"; and {state.more} more" if state.more else "")
