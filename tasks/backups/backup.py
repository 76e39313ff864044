"""Backups: what is to be saved → upload → the manifest, which makes it a backup.

The backup's id is the job's, so that the same job makes one at most.

The manifest of a backup, from what its job kept.
"""

import logging
from collections.abc import Iterable, Iterator
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
from tasks.backups.retention import at_the_vault, open_jobs
from tasks.backups.scope import Scope, list_contents, load_scope, save_scope
from tasks.backups.upload import Uploading, file_stream
from tasks.stages.retry_while_away import patient
from tasks.stages.run import Done, Next, Outcome, StageRun
from tasks.stages.stage import stage_work
from tasks.toolbox import Toolbox

_REFERENCED = "sources and texts: only their names are saved, they stay at BLOB_URL"


def manifest_of(run: StageRun, scope: Scope, checkpoint: Checkpoint) -> Manifest:
    """Of everything that was saved under the job; streams of collections that were dropped are left out."""
    tools = run.tools
    collections = [each for each in scope.collections if not _note(checkpoint, each)["dropped"]]
    saved = tuple(_saved(scope, each, _note(checkpoint, each)) for each in collections)
    return Manifest(
        id=run.job.id,
        began_at=scope.began_at,
        finished_at=time(),
        mode=scope.mode,
        trigger=run.job.inputs["trigger"],
        application=release(),
        engine=scope.engine or tools.snapshots.engine,
        sources=tools.settings.backup_sources,
        collections=saved,
        streams=tuple(_streams(run, saved)),
        configuration=disclosed(tools.settings),
        missing=tuple(_missing(run, scope, checkpoint)),
    )


def _note(checkpoint: Checkpoint, collection: Collection) -> Json:
    return checkpoint.notes[documents_stream(collection.store)]


def _saved(scope: Scope, collection: Collection, note: Json) -> SavedCollection:
    files = (file for file in scope.files or () if file.store == collection.store)
    return SavedCollection(
        name=collection.name,
        store=collection.store if collection.store in scope.stored else "",
        generation=collection.generation,
        layout=collection.layout,
        embedding_model=collection.embedding_model,
        dimension=collection.dimension,
        token_dimension=note["token_dimension"],
        created_at=collection.created_at,
        highest=note["highest"],
        documents=note["documents"],
        points=note["points"],
        late=note["late"],
        lacking=note["lacking"],
        digest=note["digest"],
        packs=note["packs"],
        files=tuple(SavedFile(file, file_stream(file)) for file in files),
        documents_stream=documents_stream(collection.store),
        golden_stream=golden_stream(collection.store),
    )


def _streams(run: StageRun, collections: tuple[SavedCollection, ...]) -> Iterator[Stream]:
    """Those that are named, of which one without a piece is empty, and the packs of sources and texts."""
    found = _joined(progress.streams(run.tools.jobs, run.job.id))
    for name in (JOBS, COLLECTIONS, KEYS, BLOBS, *_names(collections)):
        yield found.get(name) or Stream(name, ())
    yield from (stream for name, stream in found.items() if name.startswith(f"{BLOBS}/"))


def _joined(pieces: Iterable[Stream]) -> dict[str, Stream]:
    """By name."""
    parts: dict[str, list[StoredPart]] = {}
    for piece in pieces:
        parts.setdefault(piece.name, []).extend(piece.parts)
    return {name: Stream(name, tuple(each)) for name, each in parts.items()}


def _names(collections: tuple[SavedCollection, ...]) -> Iterator[str]:
    for collection in collections:
        yield collection.documents_stream
        yield collection.golden_stream
        yield from collection.packs
        yield from (file.stream for file in collection.files)


def _missing(run: StageRun, scope: Scope, checkpoint: Checkpoint) -> Iterator[str]:
    yield from scope.missing
    for collection in scope.collections:
        if _note(checkpoint, collection)["dropped"]:
            yield f"collection {collection.name}: it was dropped while the backup was made"
        elif lacking := _note(checkpoint, collection)["lacking"]:
            documents = "1 document" if lacking == 1 else f"{lacking} documents"
            yield f"collection {collection.name}: the engine has lost points of at least {documents}"
    if run.tools.settings.backup_sources == "referenced":
        yield _REFERENCED


SLICE_SECONDS = 5.0
_REST = 2.0  # while somebody else has the vault
_TURN_REST = 15.0  # while another backup is made
_ATTEMPTS = 5  # at a snapshot that the engine keeps

log = logging.getLogger(__name__)


@stage_work(Stage.SNAPSHOT)
@patient
def snapshot(run: StageRun) -> Outcome:
    """List what there is; for a full backup have the engine make a snapshot of it, where it makes any."""
    if made := _made(run):
        return _finish(run, made)
    if _waits_for_another(run):
        return Next(Stage.SNAPSHOT, rest=_TURN_REST)
    scope = load_scope(run)
    if scope is None or scope.files is not None:
        scope = _begin(run, scope)
    try:
        wanted = scope.stored if scope.mode == "full" else ()
        files = run.tools.snapshots.take(run.job.id, wanted) if wanted else ()
    except UnknownCollection as error:  # dropped since it was listed
        save_scope(run, replace(scope, files=()))
        return _anew(scope, error)
    save_scope(run, replace(scope, files=files, engine=run.tools.snapshots.engine))
    progress.save_checkpoint(run, Checkpoint())
    return Next(Stage.UPLOAD)


@stage_work(Stage.UPLOAD)
@patient
def upload(run: StageRun) -> Outcome:
    """Send records, points and sources to the vault, a slice at a time."""
    scope, checkpoint = _kept(run)
    if scope is None or checkpoint is None:
        return Next(Stage.SNAPSHOT)
    with at_the_vault(run.tools) as alone:
        if not alone:
            return Next(Stage.UPLOAD, rest=_REST)
        try:
            earlier = EarlierBackup(run.tools.vault, scope.earlier)
            _, complete = Uploading(run, scope, earlier, monotonic() + SLICE_SECONDS).advance(checkpoint)
        except NotFound as error:
            return _anew(scope, error)
    return Next(Stage.SEAL if complete else Stage.UPLOAD)


@stage_work(Stage.SEAL)
@patient
def seal(run: StageRun) -> Outcome:
    """Write the manifest; from then on it is a backup."""
    if made := _made(run):
        return _finish(run, made)
    scope, checkpoint = _kept(run)
    if scope is None or checkpoint is None:
        return Next(Stage.SNAPSHOT)
    with at_the_vault(run.tools) as alone:
        if not alone or not run.holds():
            return Next(Stage.SEAL, rest=_REST)
        manifest = manifest_of(run, scope, checkpoint)
        try:
            run.tools.vault.seal(manifest)
        except DamagedBackup as error:  # removed while the job was taken for over, or under a lock that ended
            return _anew(scope, error)
    return _finish(run, manifest, checkpoint.sent)


def release_unused(tools: Toolbox) -> int:
    """How many snapshots were removed whose jobs are over."""
    unused = [name for name in tools.snapshots.taken() if is_over(tools.jobs, name)]
    for name in unused:
        tools.snapshots.release(name)
    return len(unused)


def _made(run: StageRun) -> Manifest | None:
    """What an earlier attempt came to."""
    try:
        return run.tools.vault.manifest(run.job.id)
    except NotFound:
        return None


def _waits_for_another(run: StageRun) -> bool:
    """Whether an older backup is being made: it has what this one needs not send again."""
    return any(job.kind is JobKind.BACKUP and job.id < run.job.id for job in open_jobs(run.tools))


def _begin(run: StageRun, before: Scope | None) -> Scope:
    """StoredBackup before anything is read, since it is to name a time before that."""
    release_unused(run.tools)
    run.tools.snapshots.release(run.job.id)
    scope = list_contents(run, before.attempt + 1 if before else 1)
    save_scope(run, scope)
    return scope


def _kept(run: StageRun) -> tuple[Scope | None, Checkpoint | None]:
    try:
        return load_scope(run), progress.load_checkpoint(run.tools.jobs, run.job.id)
    except NotFound:
        return None, None


def _anew(scope: Scope, error: Permanent) -> Outcome:
    """From the beginning; what is in the vault by then is not sent again."""
    if scope.attempt >= _ATTEMPTS:
        raise error
    log.warning("the backup is begun anew: %s", error)
    return Next(Stage.SNAPSHOT)


def _finish(run: StageRun, manifest: Manifest, sent: int = 0) -> Outcome:
    try:
        run.tools.snapshots.release(run.job.id)
    except Transient as error:  # the engine may be away: what it has was saved
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
