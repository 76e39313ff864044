"""Reads again every object of a backup that a job needs, before the job uses any of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rag.backups.contents import BLOBS, COLLECTIONS, JOBS
from rag.backups.packs import OpenBackup, Unpacking
from rag.errors import DamagedBackup, NotFound
from rag.model import JobKind, Json, StoredPart
from tasks.backups.plan import Slice, wanted
from tasks.stages.run import StageRun

NAMED = 5
"""Damaged objects that an error names."""

_NAME = "verified"


@dataclass(frozen=True, slots=True)
class Verified:
    """How many objects were read, in the order of their keys, and their ``bytes``.

    ``damaged``: a line for each of the first damaged ones; ``more``: how many others are damaged.
    """

    objects: int = 0
    bytes: int = 0
    damaged: tuple[str, ...] = ()
    more: int = 0

    @classmethod
    def load(cls, run: StageRun) -> "Verified":
        """As far as the job has come."""
        try:
            fields = json.loads(run.load(_NAME))
        except NotFound:
            return cls()
        return cls(**{**fields, "damaged": tuple(fields["damaged"])})

    def with_part(self, part: StoredPart, damage: str | None) -> "Verified":
        found = self.damaged if damage is None else (*self.damaged, damage)
        more = self.more + len(found[NAMED:])
        return Verified(self.objects + 1, self.bytes + part.size, found[:NAMED], more)

    @property
    def figures(self) -> Json:
        return {"objects": self.objects, "bytes": self.bytes}


def verify_objects(run: StageRun, backup: OpenBackup, turn: Slice) -> Verified | None:
    """Read the objects, and return what was read; None when the turn is over before the last.

    Raises WrongKey, and DamagedBackup: in a restore at the first damage, otherwise after the last object.
    """
    manifest, state = backup.manifest, Verified.load(run)
    needed = manifest.parts if run.job.inputs.get("collection") is None else _parts_of_collection(run, backup)
    parts = sorted(needed.values(), key=lambda part: part.key)
    total = sum(part.size for part in parts)
    for part in parts[state.objects :]:
        if turn.over(run):
            return None
        damage = None
        try:
            run.tools.vault.piece(part)
        except DamagedBackup as error:
            if run.job.kind is JobKind.RESTORE:
                raise
            damage = str(error)
        state = state.with_part(part, damage)
        run.save(_NAME, json.dumps(asdict(state)).encode())
        run.progress(state.bytes, total)
    if state.damaged:
        raise DamagedBackup(
            f"Of {state.objects} objects of backup {manifest.id}, {len(state.damaged) + state.more} are "
            f"damaged: {'; '.join(state.damaged)}" + (f"; and {state.more} more" if state.more else "")
        )
    return state


def _parts_of_collection(run: StageRun, backup: OpenBackup) -> Mapping[str, StoredPart]:
    """The parts, by key, that a restore of one collection reads."""
    parts, unpacking = list[StoredPart](), Unpacking(backup)
    for saved in wanted(run, backup.manifest):
        names = {saved.documents_stream, saved.golden_stream, COLLECTIONS, JOBS, BLOBS}
        names |= {*saved.packs, *(file.stream for file in saved.files)}
        parts += [part for each in backup.manifest.streams if each.name in names for part in each.parts]
        parts += [part for blob in backup.blobs(saved) for part in unpacking.parts(blob)]
    return {part.key: part for part in parts}
