"""Collections of a backup on their way to serving, as the job that restores them keeps them.

Long work in slices, between which other jobs of the lane have their turn.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from time import monotonic
from typing import Any

from rag.errors import Conflict, NotFound
from rag.model import Collection, JobKind, Json, Manifest, Reservation, SavedCollection
from rag.naming import generation_name, scratch_name, store_name
from tasks.stages.run import StageRun

_NAME = "plan"

Place = tuple[str, int, str]
"""Of a blob among those of a backup: its stream, where it begins there, and its key."""


@dataclass(frozen=True, slots=True)
class PlannedCollection:
    """``saved`` of the backup is to be the collection ``name``; 0 is the ``generation`` of a rehearsal.

    ``made``: its store is there, from the engine's snapshot where ``files`` is true; ``reached``: the last
    blob whose points were then written to it. ``staged``: how many of its documents are. ``resumed``: it
    served already when the plan was made, the broker's data having been lost since. ``incomplete``: ids of
    documents that were published while the backup was made, and whose points it does not have.
    """

    saved: str
    name: str
    generation: int
    store: str
    made: bool = False
    files: bool = False
    reached: Place = ("", -1, "")
    loaded: bool = False
    figures: Json = field(default_factory=dict)
    incomplete: tuple[str, ...] = ()
    staged: int = 0
    serves: bool = False
    resumed: bool = False

    @property
    def checked(self) -> bool:
        return bool(self.figures)

    @property
    def folder(self) -> str:
        """Where the blobs of its documents are kept."""
        return generation_name(self.name, self.generation)

    def own(self, key: str) -> str:
        """The key of a source or text in its own folder, which no purge of another generation takes."""
        sort, _, leaf = key.split("/")
        return f"{sort}/{self.folder}/{leaf}"

    def reservation(self, job_id: str) -> Reservation:
        return Reservation(self.name, self.generation, job_id)


@dataclass(slots=True)
class Tally:
    """``replayed``: done again, under its own id or as a new job; ``lost``: a line each of the rest.

    ``undeleted``: ids of documents that are back although they were deleted after the backup. ``unsettled``:
    some changed in that moment, and are to be looked at again.
    """

    replayed: int = 0
    reingested: int = 0
    lost: list[str] = field(default_factory=list)
    undeleted: list[str] = field(default_factory=list)
    unsettled: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """``reached``: the blob that was restored last; ``bytes``: of all that was. ``missing`` and
    ``not_replayed``: a line for each that could not be. ``undeleted``: as in the tally. ``switched_at``: when
    the last collection came to serve."""

    collections: tuple[PlannedCollection, ...]
    reached: Place = ("", -1, "")
    bytes: int = 0
    jobs: int = 0
    dead_letters: int = 0
    keys: int = 0
    replayed: int = 0
    reingested: int = 0
    missing: tuple[str, ...] = ()
    not_replayed: tuple[str, ...] = ()
    undeleted: tuple[str, ...] = ()
    switched_at: float = 0.0

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Plan":
        """The inverse of ``dataclasses.asdict``, by way of JSON."""
        collections = tuple(map(_planned_of, fields["collections"]))
        lines = {name: tuple(fields[name]) for name in ("missing", "not_replayed", "undeleted")}
        reached: Place = tuple(fields["reached"])
        return cls(**{**fields, "collections": collections, "reached": reached, **lines})

    def having(self, planned: PlannedCollection) -> "Plan":
        """With ``planned`` in place of the one of its name."""
        collections = (planned if each.name == planned.name else each for each in self.collections)
        return replace(self, collections=tuple(collections))

    def without(self, planned: PlannedCollection) -> "Plan":
        return replace(
            self, collections=tuple(each for each in self.collections if each.name != planned.name)
        )

    def counting(self, tally: Tally) -> "Plan":
        """With what was done again lately. What is still lacking is told anew each time."""
        return replace(
            self,
            replayed=self.replayed + tally.replayed,
            reingested=self.reingested + tally.reingested,
            not_replayed=tuple(tally.lost),
            undeleted=tuple(dict.fromkeys(tally.undeleted)),
        )

    def lacking(self, lines: Iterable[str]) -> "Plan":
        return replace(self, missing=tuple(dict.fromkeys((*self.missing, *lines))))


def _planned_of(fields: Mapping[str, Any]) -> PlannedCollection:
    lists = {name: tuple(fields[name]) for name in ("reached", "incomplete")}
    return PlannedCollection(**{**fields, **lists})


def save_plan(run: StageRun, plan: Plan) -> Plan:
    run.save(_NAME, json.dumps(asdict(plan), separators=(",", ":")).encode())
    return plan


def load_plan(run: StageRun) -> Plan | None:
    """None without one, or when what it reserved was given up since: the job had ended, and was retried."""
    try:
        plan = Plan.of(json.loads(run.load(_NAME)))
    except NotFound:
        return None
    if run.job.kind is not JobKind.RESTORE:
        return plan
    held = set(run.tools.documents.reservations())
    pending = (each for each in plan.collections if not each.serves)
    return plan if all(each.reservation(run.job.id) in held for each in pending) else None


def wanted(run: StageRun, manifest: Manifest) -> tuple[SavedCollection, ...]:
    """The collections that the job is about."""
    name = run.job.inputs.get("collection")
    return tuple(each for each in manifest.collections if name in (None, each.name))


def make_plan(run: StageRun, manifest: Manifest) -> Plan:
    """Somewhere to load each collection into. Conflict when the name that it is to get is taken."""
    saved = wanted(run, manifest)
    if run.job.kind is JobKind.REHEARSE:
        stores = (scratch_name(run.job.id, number) for number, _ in enumerate(saved))
        made = tuple(
            PlannedCollection(each.name, each.name, 0, store)
            for each, store in zip(saved, stores, strict=True)
        )
    else:
        made = tuple(_plan_collection(run, each) for each in saved)
    return save_plan(run, Plan(made))


def _plan_collection(run: StageRun, saved: SavedCollection) -> PlannedCollection:
    name = run.job.inputs["into"] or saved.name
    present = run.tools.documents.collection(name)
    if present is not None and present.built_by == run.job.id:
        return _resumed(saved, present)
    if present is not None and run.job.inputs["into"]:
        raise Conflict(f"Collection {name!r} was made meanwhile: choose another name, or delete it")
    generation = run.tools.documents.reserve(name, run.job.id, above=saved.generation).generation
    return PlannedCollection(saved.name, name, generation, store_name(name, generation, 0))


def _resumed(saved: SavedCollection, present: Collection) -> PlannedCollection:
    return PlannedCollection(
        saved.name,
        present.name,
        present.generation,
        present.store,
        loaded=True,
        serves=True,
        resumed=True,
    )


SECONDS = 10.0


class Slice:
    """A turn of ``seconds``, which begins with its first step, so that one is always done."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = SECONDS if seconds is None else seconds
        self._until: float | None = None

    def over(self, run: StageRun) -> bool:
        """Whether to leave the next step to a later slice, or to nobody: the job was cancelled."""
        if self._until is None:
            self._until = monotonic() + self._seconds
            return run.cancelled()
        return run.cancelled() or monotonic() > self._until
