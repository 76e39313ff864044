"""Ingestion: (fetch →) parse → embed → index. A new version shows in one step, when it is whole."""

from collections.abc import Generator
from typing import Any

from rag.errors import NotFound, UnknownCollection
from rag.model import (
    Collection,
    CutDocument,
    Document,
    Stage,
)
from tasks.documents.blob_keys import discard, is_seen
from tasks.documents.layouts import (
    collection_of,
    embedder_of,
    require_generation,
    vectors_key,
)
from tasks.documents.quotas import Arrival, check_metadata, check_room, keeper_of
from tasks.ingest.attachments import (
    NOTED_ATTACHMENTS,
    end_unwanted,
    is_unwanted,
    note_attachments,
)
from tasks.ingest.parsed_text import keep_parsed, save_parsed, saved_chunks
from tasks.ingest.points import SLICE, WRITTEN, Content, note_slices_written, slices_written, write_slice
from tasks.ingest.publication import document_of, end_replaced, finish, publish, result_of
from tasks.ingest.reading import could_read_more, read_source, rules_of
from tasks.ingest.revision import changes_nothing, is_being_changed, must_be_last, with_kept_vectors
from tasks.ingest.sources import (
    NOTED_SOURCE,
    Source,
    SourceNote,
    fetch_source,
    file_title_of,
    fingerprint_of,
    noted_source,
    source_note,
    source_of,
    title_without_any,
)
from tasks.stages import artefacts
from tasks.stages.stage import Done, Next, Outcome, Shared, StageRun, Steps, stage_work


@stage_work(Stage.FETCH)
def fetch(run: StageRun) -> Outcome:
    """Fetch the document at a URL, and store it as if it had been sent."""
    collection_of(run.tools, run.job)
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
    present, serving = tools.documents.get_both(job.collection, job.inputs["document_id"])
    collection = require_generation(job, serving)
    if settled := _settle(run, collection, present):
        return settled
    try:
        source = source_of(run)
    except NotFound:
        return Next(Stage.FETCH) if "url" in job.inputs else end_replaced(run)
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
    file_title = "" if job.inputs["title"] else file_title_of(source)
    title = job.inputs["title"] or parsed.title or file_title or title_without_any(source, chunks)
    digests = save_parsed(run, title, parsed.text, chunks)
    warnings = (*parsed.warnings, *note_attachments(run, source))
    size = len(source.data)
    note = SourceNote(fingerprint, source.media_type, size, warnings, file_title, digests)
    return Next(Stage.EMBED, size=len(chunks), saves=source_note(note))


def _settle(run: StageRun, collection: Collection, present: Document | None) -> Outcome | None:
    """The outcome of a job that has nothing to read; None where the document must be read."""
    tools, job = run.tools, run.job
    if present is not None and is_seen(tools.documents, job):
        # an earlier attempt published the version, and perhaps did not clean up or make its entry durable
        tools.documents.publish(present, (), under=run.lease)
        return finish(run, collection, present)
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
    unchanged = result_of(present, unchanged=True)
    return Done(lambda *_: unchanged, after=lambda: discard(tools.blobs, job, source=True))


@stage_work(Stage.EMBED, together=True)
def embed(run: StageRun) -> Steps:
    """Embed the chunks, a slice at a time. Slices that an earlier attempt stored are used again.

    Between two slices, jobs of other owners have their turn.
    """
    tools, job, blobs = run.tools, run.job, run.tools.blobs
    try:
        _, chunks = saved_chunks(run, {})
    except NotFound:
        return Next(Stage.PARSE)
    layouts = (yield from _read_collection(run)).layouts
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
    collection = yield from _read_collection(run)
    yield from run.load_ahead(NOTED_SOURCE, WRITTEN, *NOTED_ATTACHMENTS)
    embedded = (tools.blobs.exists(vectors_key(job, layout, 0)) for layout in collection.layouts)
    if collection.second is not None and not all(embedded):  # a layout was begun since
        return Next(Stage.EMBED, size=SLICE)
    try:
        content = _content(run)
        chunks = content.chunks
        arrival = Arrival(keeper_of(job), job.collection, job.inputs["document_id"], content.note.size)
        check_room(tools.settings, tools.documents, arrival)
        slices = [(layout, start) for layout in collection.layouts for start in range(0, len(chunks), SLICE)]
        for at in range(slices_written(run, collection), len(slices)):
            yield from write_slice(run, collection, *slices[at], content=content)
            if at + 1 < len(slices) and run.must_give_way():
                note_slices_written(run, collection, at + 1)
                return Next(Stage.INDEX, size=len(chunks))
        keep_parsed(run, content.note.digests)
        document = document_of(run, content)
    except NotFound:
        return Next(Stage.PARSE)
    except UnknownCollection:
        if collection_of(tools, job).layouts == collection.layouts:
            raise
        return Next(Stage.INDEX)  # a layout was given up, and its store dropped
    return publish(run, collection, document)


def _read_collection(run: StageRun) -> Generator[Shared, Any, Collection]:
    """As :func:`collection_of`, but the jobs of a batch ask together."""
    (found,) = yield Shared(run.tools.documents.collections_named, (run.job.collection,))
    return require_generation(run.job, found)


def _content(run: StageRun) -> Content:
    """NotFound when it is gone or damaged: then the document must be parsed again."""
    note = noted_source(run)
    title, chunks = saved_chunks(run, note.digests)
    return Content(title, chunks, note, run.job.inputs["title"] or "")
