"""The plan of a restore: into which collection each saved one is loaded, and how far that is.

A job saves its plan after each step. Long work is done in slices, so that other jobs get their turn.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from time import monotonic

from pydantic import TypeAdapter

from rag.errors import Conflict, NotFound
from rag.model import JobKind, Json, Manifest, Reservation, SavedCollection
from rag.naming import generation_name, scratch_name, store_name
from tasks.stages.run import StageRun

_NAME = "plan"

Place = tuple[str, int, str]
"""Where a blob of a backup is: its stream, its offset there, and its key."""


@dataclass(frozen=True, slots=True)
class PlannedCollection:
    """The saved collection ``saved`` is restored as ``name``. ``generation``: 0 in a rehearsal.

    ``made``: its store exists, loaded from the engine's snapshot if ``files``. ``reached``: the last blob
    whose points were written to it. ``staged``: how many of its documents are staged. ``resumed``: it served
    already when the plan was made, because the broker lost its data after the switch. ``incomplete``: ids of
    documents that were published during the backup, so that it does not have all of their points.
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
        """The folder of its documents' blobs."""
        return generation_name(self.name, self.generation)

    def own(self, key: str) -> str:
        """The key of a source or text in its own folder, which a purge of another generation leaves alone."""
        sort, _, leaf = key.split("/")
        return f"{sort}/{self.folder}/{leaf}"

    def reservation(self, job_id: str) -> Reservation:
        return Reservation(self.name, self.generation, job_id)


@dataclass(slots=True)
class Tally:
    """What a replay has done. ``replayed``: jobs done again; ``lost``: a line for each that could not be.

    ``undeleted``: ids of documents that are back although they were deleted after the backup. ``unsettled``:
    some jobs changed at that moment, so the replay has to look again.
    """

    replayed: int = 0
    reingested: int = 0
    lost: list[str] = field(default_factory=list)
    undeleted: list[str] = field(default_factory=list)
    unsettled: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """``reached``: the blob that was restored last; ``bytes``: of all that was restored.

    ``missing`` and ``not_replayed``: a line for each item that could not be. ``undeleted``: as in the tally.
    ``switched_at``: when the last collection began to serve.
    """

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

    def having(self, planned: PlannedCollection) -> "Plan":
        """With ``planned`` in place of the one of its name."""
        collections = (planned if each.name == planned.name else each for each in self.collections)
        return replace(self, collections=tuple(collections))

    def without(self, planned: PlannedCollection) -> "Plan":
        return replace(
            self, collections=tuple(each for each in self.collections if each.name != planned.name)
        )

    def counting(self, tally: Tally) -> "Plan":
        """With the counts of one replay added. Its lines replace those of the replay before."""
        return replace(
            self,
            replayed=self.replayed + tally.replayed,
            reingested=self.reingested + tally.reingested,
            not_replayed=tuple(tally.lost),
            undeleted=tuple(dict.fromkeys(tally.undeleted)),
        )

    def lacking(self, lines: Iterable[str]) -> "Plan":
        return replace(self, missing=tuple(dict.fromkeys((*self.missing, *lines))))


_PLAN = TypeAdapter(Plan)


def save_plan(run: StageRun, plan: Plan) -> Plan:
    run.save(_NAME, _PLAN.dump_json(plan))
    return plan


def load_plan(run: StageRun) -> Plan | None:
    """None if there is none, or if its reservations were given up since the job had ended and was retried."""
    try:
        plan = _PLAN.validate_json(run.load(_NAME))
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
    """Plan a store for each collection, and save the plan. Conflict when the new name is taken."""
    into, documents = run.job.inputs.get("into"), run.tools.documents
    planned = []
    for number, saved in enumerate(wanted(run, manifest)):
        name = into or saved.name
        if run.job.kind is JobKind.REHEARSE:
            store = scratch_name(run.job.id, number)
            planned.append(PlannedCollection(saved.name, saved.name, 0, store))
            continue
        present = documents.collection(name)
        if present is not None and present.built_by == run.job.id:
            its = (saved.name, name, present.generation, present.store)
            planned.append(PlannedCollection(*its, loaded=True, serves=True, resumed=True))
            continue
        if present is not None and into:
            raise Conflict(f"Collection {name!r} was made meanwhile: choose another name, or delete it")
        generation = documents.reserve(name, run.job.id, above=saved.generation).generation
        store = store_name(name, generation, 0)
        planned.append(PlannedCollection(saved.name, name, generation, store))
    return save_plan(run, Plan(tuple(planned)))


SECONDS = 10.0


class Slice:
    """A slice of ``seconds``, which begins with its first step, so that one step is always done."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = SECONDS if seconds is None else seconds
        self._until: float | None = None

    def over(self, run: StageRun) -> bool:
        """Whether to stop before the next step: the time is up, or the job was cancelled."""
        if self._until is None:
            self._until = monotonic() + self._seconds
            return run.cancelled()
        return run.cancelled() or monotonic() > self._until
