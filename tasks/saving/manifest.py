"""The manifest of a backup, from what its job kept."""

from collections.abc import Iterable, Iterator
from time import time

from rag.model import Collection, Json, Manifest, SavedCollection, SavedFile, StoredPart, Stream
from rag.naming import release
from rag.settings.disclosure import disclosed
from rag.stores.backups.contents import BLOBS, COLLECTIONS, JOBS, KEYS, documents_stream, golden_stream
from tasks.run import StageRun
from tasks.saving import savepoint as savepoints
from tasks.saving.saved_files import file_stream
from tasks.saving.savepoint import Savepoint
from tasks.saving.scope import Scope

_REFERENCED = "sources and texts: only their names are saved, they stay at BLOB_URL"


def manifest_of(run: StageRun, scope: Scope, savepoint: Savepoint) -> Manifest:
    """Of everything that was saved under the job; streams of collections that were dropped are left out."""
    tools = run.tools
    collections = [each for each in scope.collections if not _note(savepoint, each)["dropped"]]
    saved = tuple(_saved(scope, each, _note(savepoint, each)) for each in collections)
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
        missing=tuple(_missing(run, scope, savepoint)),
    )


def _note(savepoint: Savepoint, collection: Collection) -> Json:
    return savepoint.notes[documents_stream(collection.store)]


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
    found = _joined(savepoints.streams(run.tools.jobs, run.job.id))
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


def _missing(run: StageRun, scope: Scope, savepoint: Savepoint) -> Iterator[str]:
    yield from scope.missing
    for collection in scope.collections:
        if _note(savepoint, collection)["dropped"]:
            yield f"collection {collection.name}: it was dropped while the backup was made"
        elif lacking := _note(savepoint, collection)["lacking"]:
            documents = "1 document" if lacking == 1 else f"{lacking} documents"
            yield f"collection {collection.name}: the engine has lost points of at least {documents}"
    if run.tools.settings.backup_sources == "referenced":
        yield _REFERENCED
