"""Makes a backup: a snapshot, then the upload, then the manifest, which makes it a backup.

The backup's id is the job's, so that one job makes one backup at most.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import monotonic, time

from rag.backups.contents import BLOBS, COLLECTIONS, JOBS, KEYS, documents_stream, golden_stream
from rag.errors import DamagedBackup, NotFound, Permanent, Transient, UnknownCollection
from rag.model import (
    Collection,
    JobKind,
    Json,
    Manifest,
    SavedCollection,
    SavedFile,
    Stage,
    StoredPart,
    Stream,
)
from rag.naming import release
from rag.ports import is_over
from rag.settings.disclosure import disclosed
from tasks.backups import progress
from tasks.backups.earlier import EarlierBackup
from tasks.backups.progress import Checkpoint
from tasks.backups.retention import VAULT_IN_USE, open_jobs, vault_lock
from tasks.backups.scope import Scope, list_contents, load_scope, save_scope
from tasks.backups.upload import Uploading, file_stream
from tasks.stages.retry_while_away import patient
from tasks.stages.run import Done, Next, Outcome, StageRun
from tasks.stages.stage import stage_work
from tasks.toolbox import Toolbox

_REFERENCED = "sources and texts: only their names are saved, they stay at BLOB_URL"


def manifest_of(run: StageRun, scope: Scope, checkpoint: Checkpoint) -> Manifest:
    """The manifest of everything that the job has saved, without collections that were dropped meanwhile."""
    tools, saved, missing = run.tools, list[SavedCollection](), list(scope.missing)
    for each in scope.collections:
        note = checkpoint.notes[documents_stream(each.store)]
        if note["dropped"]:
            missing.append(f"collection {each.name}: it was dropped while the backup was made")
            continue
        saved.append(_saved(scope, each, note))
        if lacking := note["lacking"]:
            documents = "1 document" if lacking == 1 else f"{lacking} documents"
            missing.append(f"collection {each.name}: the engine has lost points of at least {documents}")
    if tools.settings.backup_sources == "referenced":
        missing.append(_REFERENCED)
    return Manifest(
        id=run.job.id,
        began_at=scope.began_at,
        finished_at=time(),
        mode=scope.mode,
        trigger=run.job.inputs["trigger"],
        application=release(),
        engine=scope.engine or tools.snapshots.engine,
        sources=tools.settings.backup_sources,
        collections=tuple(saved),
        streams=tuple(_streams(run, saved)),
        configuration=disclosed(tools.settings),
        missing=tuple(missing),
    )


def _saved(scope: Scope, collection: Collection, note: Json) -> SavedCollection:
    """``note``: the figures that the portion of its documents has counted."""
    figures = ("token_dimension", "highest", "documents", "points", "late", "lacking", "digest", "packs")
    files = (file for file in scope.files or () if file.store == collection.store)
    return SavedCollection(
        name=collection.name,
        store=collection.store if collection.store in scope.stored else "",
        generation=collection.generation,
        layout=collection.layout,
        embedding_model=collection.embedding_model,
        dimension=collection.dimension,
        created_at=collection.created_at,
        files=tuple(SavedFile(file, file_stream(file)) for file in files),
        documents_stream=documents_stream(collection.store),
        golden_stream=golden_stream(collection.store),
        **{name: note[name] for name in figures},
    )


def _streams(run: StageRun, collections: Sequence[SavedCollection]) -> Iterator[Stream]:
    """The streams that the manifest names, empty where nothing was saved, and the packs of sources and texts.

    Streams of collections that were dropped are left out.
    """
    parts: dict[str, list[StoredPart]] = {}
    for piece in progress.streams(run.tools.jobs, run.job.id):
        parts.setdefault(piece.name, []).extend(piece.parts)
    names = [JOBS, COLLECTIONS, KEYS, BLOBS]
    for each in collections:
        names += [each.documents_stream, each.golden_stream, *each.packs]
        names += [file.stream for file in each.files]
    names += [name for name in parts if name.startswith(f"{BLOBS}/")]
    return (Stream(name, tuple(parts.get(name, ()))) for name in names)


SLICE_SECONDS = 5.0
_REST = 2.0  # while another job uses the vault
_TURN_REST = 15.0  # while another backup is made
_ATTEMPTS = 5  # an engine may lose its snapshot each time

log = logging.getLogger(__name__)


@stage_work(Stage.SNAPSHOT)
@patient
def snapshot(run: StageRun) -> Outcome:
    """List what there is. For a full backup, let the engine make a snapshot if it can make one."""
    if made := _made(run):
        return _finish(run, made)
    # An older backup job goes first: what it stores, this one need not send again.
    if any(job.kind is JobKind.BACKUP and job.id < run.job.id for job in open_jobs(run.tools)):
        return Next(Stage.SNAPSHOT, rest=_TURN_REST, why="an older backup, which is made first")
    scope = load_scope(run)
    if scope is None or scope.files is not None:
        release_unused(run.tools)
        run.tools.snapshots.release(run.job.id)
        # Saved before anything is read, since its time has to be before that.
        scope = list_contents(run, scope.attempt + 1 if scope else 1)
        save_scope(run, scope)
    try:
        wanted = scope.stored if scope.mode == "full" else ()
        files = run.tools.snapshots.take(run.job.id, wanted) if wanted else ()
    except UnknownCollection as error:  # dropped since it was listed
        save_scope(run, replace(scope, files=()))
        return _begin_again(scope, error)
    save_scope(run, replace(scope, files=files, engine=run.tools.snapshots.engine))
    progress.save_checkpoint(run, Checkpoint())
    return Next(Stage.UPLOAD)


@stage_work(Stage.UPLOAD)
@patient
def upload(run: StageRun) -> Outcome:
    """Send records, points and sources to the vault, a slice at a time."""
    scope, checkpoint = _load(run)
    if scope is None or checkpoint is None:
        return Next(Stage.SNAPSHOT)
    with vault_lock(run.tools) as lock:
        if not lock:
            return Next(Stage.UPLOAD, rest=_REST, why=VAULT_IN_USE)
        try:
            earlier = EarlierBackup(run.tools.vault, scope.earlier)
            _, complete = Uploading(run, scope, earlier, monotonic() + SLICE_SECONDS).advance(checkpoint)
        except NotFound as error:
            return _begin_again(scope, error)
    return Next(Stage.SEAL if complete else Stage.UPLOAD)


@stage_work(Stage.SEAL)
@patient
def seal(run: StageRun) -> Outcome:
    """Write the manifest; from then on it is a backup."""
    if made := _made(run):
        return _finish(run, made)
    scope, checkpoint = _load(run)
    if scope is None or checkpoint is None:
        return Next(Stage.SNAPSHOT)
    with vault_lock(run.tools) as lock:
        if not lock or not run.holds():
            return Next(Stage.SEAL, rest=_REST, why=VAULT_IN_USE)
        manifest = manifest_of(run, scope, checkpoint)
        try:
            run.tools.vault.seal(manifest)
        except DamagedBackup as error:  # a prune took the job for ended, or the lock had run out
            return _begin_again(scope, error)
    return _finish(run, manifest, checkpoint.sent)


def release_unused(tools: Toolbox) -> int:
    """Remove the snapshots of jobs that are over, and return how many they were."""
    unused = [name for name in tools.snapshots.taken() if is_over(tools.jobs, name)]
    for name in unused:
        tools.snapshots.release(name)
    return len(unused)


def _made(run: StageRun) -> Manifest | None:
    """The manifest, if an earlier attempt of the job has written it."""
    try:
        return run.tools.vault.manifest(run.job.id)
    except NotFound:
        return None


def _load(run: StageRun) -> tuple[Scope | None, Checkpoint | None]:
    try:
        return load_scope(run), progress.load_checkpoint(run.tools.jobs, run.job.id)
    except NotFound:
        return None, None


def _begin_again(scope: Scope, error: Permanent) -> Outcome:
    """From the first stage on. Parts that are in the vault by then are not sent again."""
    if scope.attempt >= _ATTEMPTS:
        raise error
    log.warning("the backup begins again: %s", error)
    return Next(Stage.SNAPSHOT)


def _finish(run: StageRun, manifest: Manifest, sent: int = 0) -> Outcome:
    try:
        run.tools.snapshots.release(run.job.id)
    except Transient as error:  # the engine may be away; its data is saved already
        log.warning("the snapshot of backup %s stays until the next backup or prune: %s", run.job.id, error)
    result = {
        "backup": manifest.id,
        "mode": manifest.mode,
        "collections": [each.name for each in manifest.collections],
        "documents": sum(each.documents + each.late for each in manifest.collections),
        "points": sum(each.points for each in manifest.collections),
        "lacking": sum(each.lacking for each in manifest.collections),
        "bytes": manifest.size,
        "sent": sent,
        "seconds": round(time() - (run.job.started_at or run.job.created_at), 3),
        "missing": list(manifest.missing),
    }
    return Done(lambda *_: result)
