"""The scope of a backup: the collections as they were when it began, and the backup that it builds on."""

from dataclasses import dataclass, replace
from time import time

from pydantic import TypeAdapter

from rag.errors import NotFound
from rag.model import Collection, Document, Engine, SnapshotFile
from tasks.backups.earlier import newest_in
from tasks.backups.retention import needs_full_backup
from tasks.stages.run import StageRun
from tasks.toolbox import Toolbox

CLOCKS_APART = 5.0
"""Seconds by which the clocks of two machines may differ."""

_CHUNK_BYTES = 2000  # of its document's source and text
_NAME = "scope"


@dataclass(frozen=True, slots=True)
class Scope:
    """``began_at`` is before anything was read; ``stored``: the stores that exist.

    ``mode``: "full" also where found damage has to be mended. ``earlier``: the backup whose packs this one
    takes over; "" for none. ``files``: of the engine's snapshot for a full backup; None until ``engine`` has
    made it. ``attempt``: from 1, since an engine may lose its snapshot. ``jobs``: how many records there
    were; ``source_bytes``: an estimate of the sources and texts to pack. ``missing``: a line for each thing
    that is left out.
    """

    began_at: float
    mode: str
    earlier: str
    attempt: int
    collections: tuple[Collection, ...]
    stored: tuple[str, ...]
    jobs: int
    source_bytes: int
    missing: tuple[str, ...] = ()
    files: tuple[SnapshotFile, ...] | None = None
    engine: Engine | None = None

    def late(self, document: Document) -> bool:
        """Whether it may have been published after the backup began: clocks may differ."""
        return document.updated_at > self.began_at - CLOCKS_APART


_SCOPE = TypeAdapter(Scope)


def list_contents(run: StageRun, attempt: int) -> Scope:
    """The scope of what is there at this moment."""
    tools, began_at = run.tools, time()
    collections, stores = tools.documents.collections(), tools.vectors.collections()
    mode = "full" if needs_full_backup(tools) else run.job.inputs["mode"]
    earlier = "" if mode == "full" else newest_in(tools.vault)
    return Scope(
        began_at=began_at,
        mode=mode,
        earlier=earlier,
        attempt=attempt,
        collections=tuple(replace(each, second=None) for each in collections),
        stored=tuple(each.store for each in collections if each.store in stores),
        jobs=sum(tools.jobs.counts().values()),
        source_bytes=0 if earlier else _CHUNK_BYTES * sum(each.chunks for each in collections),
        missing=tuple(
            f"collection {each.name}: the vectors of {each.second.layout.embedding_model}, which do not serve"
            for each in collections
            if each.second
        ),
    )


def current(tools: Toolbox, collection: Collection) -> Collection | None:
    """The collection as it is by now; None once it was dropped. NotFound where another layout serves it."""
    found = tools.documents.collection(collection.name)
    if found is None or found.generation != collection.generation:
        return None
    if found.layout != collection.layout:
        raise NotFound(f"collection {collection.name} has another layout than when the backup began")
    return found


def save_scope(run: StageRun, scope: Scope) -> None:
    run.save(_NAME, _SCOPE.dump_json(scope))


def load_scope(run: StageRun) -> Scope | None:
    """The scope that the job has saved; None before that."""
    try:
        return _SCOPE.validate_json(run.load(_NAME))
    except NotFound:
        return None
