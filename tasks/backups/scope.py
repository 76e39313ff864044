"""What a backup covers: the collections as they were at its beginning, and what it takes over."""

import json
from dataclasses import asdict, dataclass, replace
from time import time

from rag.errors import NotFound
from rag.model import Collection, Document, Engine, SecondLayout, SnapshotFile
from tasks.backups.earlier import newest_in
from tasks.backups.retention import unmended
from tasks.stages.run import StageRun
from tasks.toolbox import Toolbox

CLOCKS_APART = 5.0
"""Seconds by which the clocks of two machines may differ."""

_CHUNK_BYTES = 2000  # of its document's source and text
_NAME = "scope"


@dataclass(frozen=True, slots=True)
class Scope:
    """``began_at`` is before anything was read, ``stored`` are the stores that there are.

    ``mode``: as the backup is made, "full" also where damage is to be mended. ``earlier``: the backup whose
    packs are taken over; "" for none. ``files`` None: what a full backup has of the engine's own snapshot is
    still to be taken by ``engine``. ``attempt``: from 1, since an engine may lose one.
    ``jobs``: how many records there were; ``source_bytes``: how much is to be packed of sources and texts, as
    far as that can be told. ``missing``: what is left out, a line each.
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
        """Whether it may have been published since: clocks may differ."""
        return document.updated_at > self.began_at - CLOCKS_APART


def list_contents(run: StageRun, attempt: int) -> Scope:
    """Of what is there at this moment."""
    tools, began_at = run.tools, time()
    collections, stores = tools.documents.collections(), tools.vectors.collections()
    mode = "full" if unmended(tools) else run.job.inputs["mode"]
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
        missing=tuple(_left_out(each.name, each.second) for each in collections if each.second),
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
    run.save(_NAME, json.dumps(asdict(scope), separators=(",", ":")).encode())


def load_scope(run: StageRun) -> Scope | None:
    """The job's own; None before there is one."""
    try:
        fields = json.loads(run.load(_NAME))
    except NotFound:
        return None
    files = fields["files"]
    return Scope(
        **{
            **fields,
            "collections": tuple(Collection(**each) for each in fields["collections"]),
            "stored": tuple(fields["stored"]),
            "missing": tuple(fields["missing"]),
            "files": None if files is None else tuple(SnapshotFile(**file) for file in files),
            "engine": fields["engine"] and Engine(**fields["engine"]),
        }
    )


def _left_out(name: str, second: SecondLayout) -> str:
    return f"collection {name}: the vectors of {second.layout.embedding_model}, which do not serve"
