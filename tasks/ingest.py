"""Ingestion: (fetch →) parse → embed → index. A new version shows in one step, when it is whole."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from time import time

from rag import artefacts
from rag.errors import NotFound, UnknownCollection
from rag.model import Chunk, Collection, Document, DocumentVersion, Job, Json, Layout, Stage
from rag.naming import chunks_key, plain_name
from tasks.keeping import discard, is_seen, keep_text, text_key, work_key
from tasks.layouts import delete_points, embedder_of, numbers_of, point_alias, unembedded, vectors_key
from tasks.points import passage_of, point_of, spec_of
from tasks.quotas import Arrival, check_metadata, check_room, keeper_of
from tasks.revision import changes_nothing, is_being_changed, must_be_last, with_kept_vectors
from tasks.sources import fingerprint_of, keep_fetched, note_source, noted_source, source_of
from tasks.stage import Done, Next, Outcome, Shared, SharedCalls, StageRun, Steps, stage_work
from tasks.toolbox import Toolbox

SLICE = 64  # chunks embedded, stored and indexed at a time: bounds memory and lost work


@stage_work(Stage.FETCH)
def fetch(run: StageRun) -> Outcome:
    """Get the document at a URL, and keep it as if it had been sent."""
    _collection(run.tools, run.job)
    keep_fetched(run)
    return Next(Stage.PARSE)


@stage_work(Stage.PARSE)
def parse(run: StageRun) -> Outcome:
    """Read the document and cut it into chunks, unless this very document is there already."""
    tools, job = run.tools, run.job
    present = tools.documents.get(job.collection, job.inputs["document_id"])
    collection = _collection(tools, job)  # else what is present may be its successor's
    if present is not None and is_seen(tools.documents, job):
        return _finish_published(run, present)
    if present is not None and "revises" in job.inputs:
        must_be_last(run, present)
        if changes_nothing(job, present):
            return _skip_unchanged(run, present)
        if revised := with_kept_vectors(run, collection, present):
            return revised
    try:
        source = source_of(run)
    except NotFound:
        return Next(Stage.FETCH) if "url" in job.inputs else _end_replaced(run)
    fingerprint = fingerprint_of(job, source, tools.chunker.name)
    if present is not None and present.fingerprint == fingerprint:
        return _skip_unchanged(run, present)
    document = tools.parser.cut(
        source.data, source.media_type, source.name, lambda: run.cancelled() or run.overdue()
    )
    parsed, chunks = document.parsed, document.chunks
    check_metadata(tools.settings, job.inputs["metadata"], len(chunks))
    title = job.inputs["title"] or parsed.title or plain_name(source.name) or _first_words(chunks)
    keep_text(tools.blobs, job, parsed.text, chunks)
    tools.blobs.put(work_key(job, "chunks"), artefacts.pack_chunks(title, chunks), durable=False)
    note_source(run, fingerprint, source.media_type, len(source.data))
    return Next(Stage.EMBED, size=len(chunks))


def _skip_unchanged(run: StageRun, present: Document) -> Outcome:
    """What was accepted in between, and is on its way still, is outdated from now on, but for changes."""
    tools, job = run.tools, run.job
    version = job.inputs["version"]
    outdates = version > present.version and not is_being_changed(run, present)
    if outdates and not tools.documents.confirm(present, version, under=run.lease):
        return Next(Stage.PARSE)  # another version is seen by now
    unchanged = _result(present, unchanged=True)
    return Done(lambda *_: unchanged, after=lambda: discard(tools.blobs, job, source=True))


@stage_work(Stage.EMBED, together=True)
def embed(run: StageRun) -> Steps:
    """Embed the chunks, a slice at a time; slices that an earlier attempt left are kept.

    Between two of them others have their turn.
    """
    tools = run.tools
    try:
        _, chunks = _chunks(tools, run.job)
    except NotFound:
        return Next(Stage.PARSE)
    layouts = _collection(tools, run.job).layouts
    for start in range(0, len(chunks), SLICE):
        if run.cancelled():
            break
        texts = [chunk.text for chunk in chunks[start : start + SLICE]]
        for layout in layouts:
            yield from _embed_slice(run, layout, start, texts)
        if len(chunks) > SLICE:
            run.progress(min(start + SLICE, len(chunks)), len(chunks))
        if start + SLICE < len(chunks) and run.must_give_way():
            return Next(Stage.EMBED, size=len(chunks))
    return Next(Stage.INDEX, size=len(chunks))


def _embed_slice(run: StageRun, layout: Layout, start: int, texts: Sequence[str]) -> SharedCalls:
    blobs, key = run.tools.blobs, vectors_key(run.job, layout, start)
    resumed = run.job.attempts > 1 or run.job.progress.done > start
    if not (resumed and blobs.exists(key)):
        embedder = embedder_of(run.tools, layout, run.job)
        within = None if embedder.independent else run.job.id
        embeddings = yield Shared(embedder.embed_passages, texts, within=within)
        blobs.put(key, artefacts.pack_embeddings(embeddings), durable=False)


@stage_work(Stage.INDEX, together=True)
def index(run: StageRun) -> Steps:
    """Write the points, publish the version, then remove what it replaces.

    Between two slices of points others have their turn.
    """
    tools, job = run.tools, run.job
    collection = _collection(tools, job)
    if unembedded(tools, job, collection):
        return Next(Stage.EMBED, size=SLICE)
    try:
        title, chunks = _chunks(tools, job)
        check_room(tools.settings, tools.documents, _arrival(run))
        slices = [(layout, start) for layout in collection.layouts for start in range(0, len(chunks), SLICE)]
        for at in range(_written_before(run, collection), len(slices)):
            yield from _write_slice(run, collection, *slices[at], title=title, chunks=chunks)
            if at + 1 < len(slices) and run.must_give_way():
                _keep_written(run, collection, at + 1)
                return Next(Stage.INDEX, size=len(chunks))
        document = _document(run, title, chunks)
    except NotFound:
        return Next(Stage.PARSE)
    except UnknownCollection:
        if _collection(tools, job).layouts == collection.layouts:
            raise
        return Next(Stage.INDEX)  # one was given up, and its store dropped
    if not run.holds():  # and whoever took over needs the same points; nobody sees them before
        return Next(Stage.INDEX)
    return _publish(run, collection, document)


def _publish(run: StageRun, collection: Collection, document: Document) -> Outcome:
    """Let searches see the version, its points being there, and remove what it replaces."""
    tools, job = run.tools, run.job
    replaced = tools.documents.get(job.collection, document.document_id)
    if replaced is not None and "revises" in job.inputs:
        must_be_last(run, replaced)
    if replaced is not None:
        document = replace(document, created_at=replaced.created_at)
    if not tools.documents.publish(document, numbers_of(collection), under=run.lease):
        return _withdraw(run, collection, document)
    _remove_older_points(tools, collection, document)
    if replaced is not None and replaced.version < document.version:
        for key in (replaced.source_key, replaced.text_key, chunks_key(replaced.text_key)):
            tools.blobs.delete(key)
    discard(tools.blobs, job)
    return Done(lambda *_: _result(document, unchanged=False))


def _withdraw(run: StageRun, collection: Collection, document: Document) -> Outcome:
    """The lease was lost, a layout was begun meanwhile, or the version came too late."""
    tools, job = run.tools, run.job
    if not run.holds():
        return Next(Stage.INDEX)
    version = DocumentVersion(document.document_id, document.version)
    if not tools.documents.outdated(job.collection, document.generation, version):
        return Next(Stage.EMBED, size=SLICE)
    _collection(tools, job)  # else nothing is newer, and the version belongs into its successor
    delete_points(tools.vectors, collection, document.document_id, only=document.version)
    return Done(
        lambda *_: _result(document, unchanged=False, superseded=True),
        after=lambda: discard(tools.blobs, job, source=True, text=True),
    )


def _finish_published(run: StageRun, document: Document) -> Outcome:
    """An earlier attempt published the version, and may not have come to the end of its work."""
    _remove_older_points(run.tools, _collection(run.tools, run.job), document)
    discard(run.tools.blobs, run.job)
    return Done(lambda *_: _result(document, unchanged=False))


def _end_replaced(run: StageRun) -> Outcome:
    """The source has gone with the version: the job is run once more although it was over. Else NotFound."""
    job, inputs = run.job, run.job.inputs
    version = DocumentVersion(inputs["document_id"], inputs["version"])
    if not run.tools.documents.outdated(job.collection, inputs["generation"], version):
        raise NotFound("The document's bytes are gone from the blob store: submit it again")
    _collection(run.tools, job)
    return Done(
        lambda *_: {**asdict(version), "chunks": 0, "tokens": 0, "unchanged": False, "superseded": True}
    )


def _first_words(chunks: Sequence[Chunk]) -> str:
    return plain_name(" ".join(chunks[0].text[:1000].split()[:8]))[:300]


def _chunks(tools: Toolbox, job: Job) -> tuple[str, list[Chunk]]:
    """NotFound when they are gone: then the document is to be parsed again."""
    return artefacts.unpack_chunks(tools.blobs.get(work_key(job, "chunks")))


def _collection(tools: Toolbox, job: Job) -> Collection:
    """UnknownCollection when another generation serves than that which the job was accepted for."""
    collection = tools.documents.collection(job.collection)
    if collection is None or collection.generation != job.inputs["generation"]:
        raise UnknownCollection(
            f"Collection {job.collection!r} was deleted or replaced while the document was on its way"
        )
    return collection


def _write_slice(  # noqa: PLR0913 - a slice of what is written where
    run: StageRun, collection: Collection, layout: Layout, start: int, *, title: str, chunks: Sequence[Chunk]
) -> SharedCalls:
    vectors, store = run.tools.vectors, collection.store_of(layout)
    if run.cancelled():
        return
    embeddings = artefacts.unpack_embeddings(run.tools.blobs.get(vectors_key(run.job, layout, start)))
    if start == 0:
        vectors.ensure(store, spec_of(embeddings[0]))
        if collection.documents == 0 and layout == collection.serving:
            point_alias(vectors, collection)
    pairs = zip(chunks[start : start + SLICE], embeddings, strict=True)
    points = [point_of(passage_of(run.job, title, c), e, _given_title(run.job)) for c, e in pairs]
    yield Shared(vectors.upsert, points, of=(store,))
    if len(chunks) > SLICE:
        run.progress(min(start + SLICE, len(chunks)), len(chunks))


def _keep_written(run: StageRun, collection: Collection, slices: int) -> None:
    """Leave how far the points are written for the very next attempt."""
    written = [run.lease.token, list(numbers_of(collection)), slices]
    run.keep("written", json.dumps(written).encode())


def _arrival(run: StageRun) -> Arrival:
    job = run.job
    return Arrival(keeper_of(job), job.collection, job.inputs["document_id"], noted_source(run)[-1])


def _written_before(run: StageRun, collection: Collection) -> int:
    """Slices of points that were written before others had their turn.

    None where anything else came between, such as an attempt that failed: what that left may be gone.
    """
    try:
        token, numbers, slices = json.loads(run.kept("written"))
    except NotFound:
        return 0
    same = token + 1 == run.lease.token and numbers == list(numbers_of(collection))
    return int(slices) if same else 0


def _given_title(job: Job) -> str:
    title: str = job.inputs["title"] or ""
    return title


def _document(run: StageRun, title: str, chunks: Sequence[Chunk]) -> Document:
    job = run.job
    fingerprint, media_type, source_key, size = noted_source(run)
    return Document(
        document_id=job.inputs["document_id"],
        collection=job.collection,
        generation=job.inputs["generation"],
        version=job.inputs["version"],
        fingerprint=fingerprint,
        title=title,
        media_type=media_type,
        source_key=source_key,
        text_key=text_key(job),
        chunks=len(chunks),
        tokens=sum(chunk.tokens for chunk in chunks),
        created_at=job.created_at,
        updated_at=time(),
        metadata=job.inputs["metadata"],
        given_title=_given_title(job),
        owner=keeper_of(job),
        size=size,
    )


def _remove_older_points(tools: Toolbox, collection: Collection, document: Document) -> None:
    if document.version > 1:
        delete_points(tools.vectors, collection, document.document_id, below=document.version)


def _result(document: Document, *, unchanged: bool, superseded: bool = False) -> Json:
    result: Json = {
        "document_id": document.document_id,
        "version": document.version,
        "chunks": document.chunks,
        "tokens": document.tokens,
        "unchanged": unchanged,
    }
    return {**result, "superseded": True} if superseded else result
