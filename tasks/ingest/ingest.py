"""Ingestion: (fetch →) parse → embed → index. A new version shows in one step, when it is whole."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from time import time

from rag.errors import NotFound, UnknownCollection
from rag.model import (
    Chunk,
    Collection,
    CollectionSpec,
    CutDocument,
    Document,
    DocumentVersion,
    Job,
    Json,
    Layout,
    Stage,
)
from rag.naming import chunks_key
from tasks.documents.blob_keys import discard, folder_of, is_seen, save_text, source_key, text_key, work_key
from tasks.documents.layouts import (
    delete_points,
    embedder_of,
    numbers_of,
    passage_of,
    point_alias,
    point_of,
    vectors_key,
)
from tasks.documents.quotas import Arrival, check_metadata, check_room, keeper_of
from tasks.ingest.attachments import (
    end_unwanted,
    hand_in_attachments,
    is_unwanted,
    note_attachments,
    note_former,
    noted_attachments,
    take_back,
)
from tasks.ingest.reading import could_read_more, read_source, rules_of
from tasks.ingest.revision import changes_nothing, is_being_changed, must_be_last, with_kept_vectors
from tasks.ingest.sources import (
    Source,
    SourceNote,
    fetch_source,
    file_title_of,
    fingerprint_of,
    note_source,
    noted_source,
    source_of,
    title_without_any,
)
from tasks.stages import artefacts
from tasks.stages.stage import Done, Next, Outcome, Shared, SharedCalls, StageRun, Steps, stage_work
from tasks.toolbox import Toolbox

SLICE = 64
"""Chunks that are embedded, stored and indexed at a time: bounds memory, and the work lost in a crash."""

_WRITTEN = "written"


@stage_work(Stage.FETCH)
def fetch(run: StageRun) -> Outcome:
    """Fetch the document at a URL, and store it as if it had been sent."""
    _collection(run.tools, run.job)
    fetch_source(run)
    return Next(Stage.PARSE)


@stage_work(Stage.PARSE)
def parse(run: StageRun) -> Outcome:
    """Read the document and cut it into chunks, unless this very document is there already.

    A document with pages that must be recognised goes to the lane that does this.
    """
    return _take_in(run)


@stage_work(Stage.RECOGNISE)
def recognise(run: StageRun) -> Outcome:
    """Do what :func:`parse` does, with recognition of pictures of text."""
    return _take_in(run)


def _take_in(run: StageRun) -> Outcome:
    tools, job = run.tools, run.job
    present = tools.documents.get(job.collection, job.inputs["document_id"])
    # read after the document: else ``present`` could belong to a later generation
    collection = _collection(tools, job)
    if settled := _settle(run, collection, present):
        return settled
    try:
        source = source_of(run)
    except NotFound:
        return Next(Stage.FETCH) if "url" in job.inputs else _end_replaced(run)
    fingerprint = fingerprint_of(job, source, rules_of(tools, source))
    if present is not None and present.fingerprint == fingerprint and not could_read_more(tools, present):
        return _skip_unchanged(run, present)
    read = read_source(run, source)
    return read if isinstance(read, Next) else _save(run, source, fingerprint, read)


def _save(run: StageRun, source: Source, fingerprint: str, document: CutDocument) -> Next:
    """Store what was read for the stages that follow."""
    tools, job = run.tools, run.job
    parsed, chunks = document.parsed, document.chunks
    check_metadata(tools.settings, job.inputs["metadata"], len(chunks))
    file_title = "" if job.inputs["title"] or parsed.title else file_title_of(source)
    title = job.inputs["title"] or parsed.title or file_title or title_without_any(source, chunks)
    save_text(tools.blobs, job, parsed.text, chunks)
    tools.blobs.put(work_key(job, "chunks"), artefacts.pack_chunks(title, chunks), durable=False)
    warnings = (*parsed.warnings, *note_attachments(run, source))
    note_source(run, SourceNote(fingerprint, source.media_type, len(source.data), warnings, file_title))
    return Next(Stage.EMBED, size=len(chunks))


def _settle(run: StageRun, collection: Collection, present: Document | None) -> Outcome | None:
    """The outcome of a job that has nothing to read; None where the document must be read."""
    tools, job = run.tools, run.job
    if present is not None and is_seen(tools.documents, job):
        # an earlier attempt published the version, and perhaps did not clean up
        return _finish(run, collection, present)
    if is_unwanted(run):
        return end_unwanted(run)
    if present is None or "revises" not in job.inputs:
        return None
    must_be_last(run, present)
    if changes_nothing(job, present):
        return _skip_unchanged(run, present)
    return with_kept_vectors(run, collection, present)


def _skip_unchanged(run: StageRun, present: Document) -> Outcome:
    """End a job whose content is there already.

    Versions that were accepted in between, and are on their way, are superseded from now on, except changes.
    """
    tools, job = run.tools, run.job
    version = job.inputs["version"]
    supersedes = version > present.version and not is_being_changed(run, present)
    if supersedes and not tools.documents.confirm(present, version, under=run.lease):
        return Next(Stage.PARSE)  # searches see another version by now
    unchanged = _result(present, unchanged=True)
    return Done(lambda *_: unchanged, after=lambda: discard(tools.blobs, job, source=True))


@stage_work(Stage.EMBED, together=True)
def embed(run: StageRun) -> Steps:
    """Embed the chunks, a slice at a time. Slices that an earlier attempt stored are used again.

    Between two slices, jobs of other owners have their turn.
    """
    tools, job, blobs = run.tools, run.job, run.tools.blobs
    try:
        _, chunks = _chunks(tools, job)
    except NotFound:
        return Next(Stage.PARSE)
    layouts = _collection(tools, job).layouts
    for start in range(0, len(chunks), SLICE):
        if run.cancelled():
            break
        texts = [chunk.text for chunk in chunks[start : start + SLICE]]
        for layout in layouts:
            key = vectors_key(job, layout, start)
            resumed = job.attempts > 1 or job.progress.done > start
            if resumed and blobs.exists(key):
                continue
            embedder = embedder_of(tools, layout, job)
            # where vectors depend on their neighbours, a call must not mix documents
            within = None if embedder.independent else job.id
            embeddings = yield Shared(embedder.embed_passages, texts, within=within)
            blobs.put(key, artefacts.pack_embeddings(embeddings), durable=False)
        if len(chunks) > SLICE:
            run.progress(min(start + SLICE, len(chunks)), len(chunks))
        if start + SLICE < len(chunks) and run.must_give_way():
            return Next(Stage.EMBED, size=len(chunks))
    return Next(Stage.INDEX, size=len(chunks))


@stage_work(Stage.INDEX, together=True)
def index(run: StageRun) -> Steps:
    """Write the points, publish the version, then remove what it replaces.

    Between two slices of points, jobs of other owners have their turn.
    """
    tools, job = run.tools, run.job
    collection = _collection(tools, job)
    embedded = (tools.blobs.exists(vectors_key(job, layout, 0)) for layout in collection.layouts)
    if collection.second is not None and not all(embedded):  # a layout was begun since
        return Next(Stage.EMBED, size=SLICE)
    try:
        title, chunks = _chunks(tools, job)
        arrival = Arrival(keeper_of(job), job.collection, job.inputs["document_id"], noted_source(run).size)
        check_room(tools.settings, tools.documents, arrival)
        slices = [(layout, start) for layout in collection.layouts for start in range(0, len(chunks), SLICE)]
        for at in range(_slices_written(run, collection), len(slices)):
            yield from _write_slice(run, collection, *slices[at], title=title, chunks=chunks)
            if at + 1 < len(slices) and run.must_give_way():
                written = [run.lease.token, list(numbers_of(collection)), at + 1]
                run.save(_WRITTEN, json.dumps(written).encode())
                return Next(Stage.INDEX, size=len(chunks))
        document = _document(run, title, chunks)
    except NotFound:
        return Next(Stage.PARSE)
    except UnknownCollection:
        if _collection(tools, job).layouts == collection.layouts:
            raise
        return Next(Stage.INDEX)  # a layout was given up, and its store dropped
    if not run.holds():  # whoever took over needs the same points, so they stay
        return Next(Stage.INDEX)
    return _publish(run, collection, document)


def _publish(run: StageRun, collection: Collection, document: Document) -> Outcome:
    """Let searches see the version, whose points are written, and remove what it replaces."""
    tools, job = run.tools, run.job
    replaced = tools.documents.get(job.collection, document.document_id)
    if replaced is not None and "revises" in job.inputs:
        must_be_last(run, replaced)
    if replaced is not None:
        document = replace(document, created_at=replaced.created_at)
        note_former(run, replaced)
    if is_unwanted(run):
        delete_points(tools.vectors, collection, document.document_id, only=document.version)
        return end_unwanted(run)
    if not tools.documents.publish(document, numbers_of(collection), under=run.lease):
        return _withdraw(run, collection, document)
    if replaced is not None and replaced.version < document.version:
        for key in (replaced.source_key, replaced.text_key, chunks_key(replaced.text_key)):
            tools.blobs.delete(key)
    return _finish(run, collection, document)


def _withdraw(run: StageRun, collection: Collection, document: Document) -> Outcome:
    """Handle a refused publication: the lease was lost, a layout began meanwhile, or a newer version came."""
    tools, job = run.tools, run.job
    if not run.holds():
        return Next(Stage.INDEX)
    version = DocumentVersion(document.document_id, document.version)
    if not tools.documents.superseded(job.collection, document.generation, version):
        return Next(Stage.EMBED, size=SLICE)
    _collection(tools, job)  # raises if the collection was replaced: then nothing is newer
    delete_points(tools.vectors, collection, document.document_id, only=document.version)
    return Done(
        lambda *_: _result(document, unchanged=False, superseded=True),
        after=lambda: discard(tools.blobs, job, source=True, text=True),
    )


def _finish(run: StageRun, collection: Collection, document: Document) -> Outcome:
    """Remove the points of older versions, and the job's work, after the version was published."""
    if document.version > 1:
        delete_points(run.tools.vectors, collection, document.document_id, below=document.version)
    if is_unwanted(run):  # its mail was deleted in this moment, by somebody who may not have seen it
        return take_back(run, document)
    attachments = hand_in_attachments(run, document)
    discard(run.tools.blobs, run.job)
    return Done(lambda *_: _result(document, unchanged=False, attachments=attachments.ids))


def _end_replaced(run: StageRun) -> Outcome:
    """End a job that runs again although a newer version has replaced its own, and its source with it.

    Raises NotFound if the source is gone for another reason.
    """
    job, inputs = run.job, run.job.inputs
    version = DocumentVersion(inputs["document_id"], inputs["version"])
    if not run.tools.documents.superseded(job.collection, inputs["generation"], version):
        raise NotFound("The document's bytes are gone from the blob store: submit it again")
    _collection(run.tools, job)
    return Done(
        lambda *_: {**asdict(version), "chunks": 0, "tokens": 0, "unchanged": False, "superseded": True}
    )


def _chunks(tools: Toolbox, job: Job) -> tuple[str, list[Chunk]]:
    """Title and chunks. NotFound when they are gone: then the document must be parsed again."""
    return artefacts.unpack_chunks(tools.blobs.get(work_key(job, "chunks")))


def _collection(tools: Toolbox, job: Job) -> Collection:
    """The job's collection. UnknownCollection when another generation serves than it was accepted for."""
    collection = tools.documents.collection(job.collection)
    if collection is None or collection.generation != job.inputs["generation"]:
        raise UnknownCollection(
            f"Collection {job.collection!r} was deleted or replaced while the document was on its way"
        )
    return collection


def _write_slice(  # noqa: PLR0913 - which slice, and where it goes
    run: StageRun, collection: Collection, layout: Layout, start: int, *, title: str, chunks: Sequence[Chunk]
) -> SharedCalls:
    vectors, store = run.tools.vectors, collection.store_of(layout)
    if run.cancelled():
        return
    searched = run.job.inputs["title"] or noted_source(run).file_title
    embeddings = artefacts.unpack_embeddings(run.tools.blobs.get(vectors_key(run.job, layout, start)))
    if start == 0:
        tokens = embeddings[0].tokens
        columns = None if tokens is None else tokens.shape[1]
        vectors.ensure(store, CollectionSpec(len(embeddings[0].dense), columns))
        if collection.documents == 0 and layout == collection.serving:
            point_alias(vectors, collection)
    pairs = zip(chunks[start : start + SLICE], embeddings, strict=True)
    points = [point_of(passage_of(run.job, title, c), e, searched) for c, e in pairs]
    yield Shared(vectors.upsert, points, of=(store,))
    if len(chunks) > SLICE:
        run.progress(min(start + SLICE, len(chunks)), len(chunks))


def _slices_written(run: StageRun, collection: Collection) -> int:
    """How many slices of points the attempt before this one wrote before it gave way.

    0 if any other attempt came between: what a failed attempt left may be removed already.
    """
    try:
        token, numbers, slices = json.loads(run.load(_WRITTEN))
    except NotFound:
        return 0
    same = token + 1 == run.lease.token and numbers == list(numbers_of(collection))
    return int(slices) if same else 0


def _document(run: StageRun, title: str, chunks: Sequence[Chunk]) -> Document:
    job = run.job
    note = noted_source(run)
    return Document(
        document_id=job.inputs["document_id"],
        collection=job.collection,
        generation=job.inputs["generation"],
        version=job.inputs["version"],
        fingerprint=note.fingerprint,
        title=title,
        media_type=note.media_type,
        source_key=source_key(folder_of(job), job.id),
        text_key=text_key(job),
        chunks=len(chunks),
        tokens=sum(chunk.tokens for chunk in chunks),
        created_at=job.created_at,
        updated_at=time(),
        metadata=job.inputs["metadata"],
        given_title=job.inputs["title"] or "",
        owner=keeper_of(job),
        searched_title=job.inputs["title"] or note.file_title,
        size=note.size,
        warnings=note.warnings,
        parent=job.inputs.get("parent", ""),
        attachments=noted_attachments(run).ids,
    )


def _result(
    document: Document, *, unchanged: bool, superseded: bool = False, attachments: Sequence[str] = ()
) -> Json:
    result: Json = {
        "document_id": document.document_id,
        "version": document.version,
        "chunks": document.chunks,
        "tokens": document.tokens,
        "unchanged": unchanged,
    }
    if document.warnings:
        result["warnings"] = [asdict(warning) for warning in document.warnings]
    if attachments:
        result["attachments"] = list(attachments)
    return {**result, "superseded": True} if superseded else result
