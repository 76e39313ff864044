"""Ingestion: parse → embed → index. A document's new version shows in one step, when it is whole."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from time import time

from rag import artefacts
from rag.errors import NotFound, UnknownCollection
from rag.fetching import fetch
from rag.model import (
    Chunk,
    Collection,
    Document,
    DocumentVersion,
    Job,
    Json,
    Stage,
)
from tasks.embedders import embedder_for
from tasks.keeping import discard, is_seen, source_key, store_name, text_key, work_key
from tasks.points import point_of, spec_of
from tasks.stage import Done, Next, Outcome, StageRun, stage_task
from tasks.toolbox import Toolbox

SLICE = 64  # chunks embedded, stored and indexed at a time: bounds memory and lost work


@dataclass(frozen=True, slots=True)
class Source:
    data: bytes
    media_type: str
    name: str


@stage_task(Stage.PARSE)
def parse(run: StageRun) -> Outcome:
    """Read the document and cut it into chunks, unless this very document is there already."""
    tools, job = run.tools, run.job
    present = tools.documents.get(job.collection, job.inputs["document_id"])
    if present is not None and is_seen(tools.documents, job):
        return _published_before(run, present)
    try:
        source = _source(tools, job.inputs)
    except NotFound:
        return _replaced_before(run)
    fingerprint = _fingerprint(tools, job, source)
    if present is not None and present.fingerprint == fingerprint:
        unchanged = _result(present, unchanged=True)
        return Done(lambda *_: unchanged, after=lambda: discard(tools.blobs, job, source=True))
    parsed = tools.parser.parse(source.data, source.media_type, source.name)
    chunks = tools.chunker.chunk(parsed)
    title = job.inputs["title"] or parsed.title or source.name or _first_words(chunks)
    if "source_key" not in job.inputs:
        tools.blobs.put(source_key(store_name(job), job.id), source.data)
    tools.blobs.put(text_key(job), parsed.text.encode())
    tools.blobs.put(work_key(job, "chunks"), artefacts.pack_chunks(title, chunks), durable=False)
    run.keep(
        "source", json.dumps([fingerprint, source.media_type, source_key(store_name(job), job.id)]).encode()
    )
    return Next(Stage.EMBED)


@stage_task(Stage.EMBED)
def embed(run: StageRun) -> Outcome:
    """Embed the chunks, a slice at a time; slices that an earlier attempt left are kept."""
    tools = run.tools
    try:
        _, chunks = _chunks(tools, run.job)
    except NotFound:
        return Next(Stage.PARSE)
    embedder = embedder_for(tools, _collection(tools, run.job))
    for start in range(0, len(chunks), SLICE):
        if run.cancelled():
            break
        key = work_key(run.job, f"vectors-{start:08}")
        if not (run.job.attempts > 1 and tools.blobs.exists(key)):
            texts = [chunk.text for chunk in chunks[start : start + SLICE]]
            embeddings = embedder.embed_passages(texts)
            tools.blobs.put(key, artefacts.pack_embeddings(embeddings), durable=False)
        if len(chunks) > SLICE:
            run.progress(min(start + SLICE, len(chunks)), len(chunks))
    return Next(Stage.INDEX)


@stage_task(Stage.INDEX)
def index(run: StageRun) -> Outcome:
    """Write the points, publish the version, then remove what it replaces."""
    tools, job = run.tools, run.job
    store = _collection(tools, job).store
    try:
        title, chunks = _chunks(tools, job)
        _write_points(run, store, title, chunks)
        document = _document(run, title, chunks)
    except NotFound:
        return Next(Stage.PARSE)
    if not run.holds():  # and whoever took over needs the same points; nobody sees them before
        return Next(Stage.INDEX)
    replaced = tools.documents.get(job.collection, document.document_id)
    if not tools.documents.publish(document, under=run.lease):
        if not run.holds():
            return Next(Stage.INDEX)
        _remove_points(tools, store, document)
        return Done(
            lambda *_: _result(document, unchanged=False, superseded=True),
            after=lambda: discard(tools.blobs, job, source=True, text=True),
        )
    _remove_older_points(tools, store, document)
    if replaced is not None and replaced.version < document.version:
        tools.blobs.delete(replaced.source_key)
        tools.blobs.delete(replaced.text_key)
    discard(tools.blobs, job)
    return Done(lambda *_: _result(document, unchanged=False))


def _published_before(run: StageRun, document: Document) -> Outcome:
    """An earlier attempt published the version, and may not have come to the end of its work."""
    _remove_older_points(run.tools, _collection(run.tools, run.job).store, document)
    discard(run.tools.blobs, run.job)
    return Done(lambda *_: _result(document, unchanged=False))


def _replaced_before(run: StageRun) -> Outcome:
    """The source has gone with the version: the job is run once more although it was over. Else NotFound."""
    job, inputs = run.job, run.job.inputs
    version = DocumentVersion(inputs["document_id"], inputs["version"])
    if not run.tools.documents.outdated(job.collection, inputs["generation"], version):
        raise NotFound("The document's bytes are gone from the blob store: submit it again")
    return Done(
        lambda *_: {**asdict(version), "chunks": 0, "tokens": 0, "unchanged": False, "superseded": True}
    )


def _source(tools: Toolbox, inputs: Json) -> Source:
    if "url" in inputs:
        settings = tools.settings
        fetched = fetch(
            inputs["url"],
            max_bytes=settings.max_upload_mb * 1_000_000,
            allow_private=settings.fetch_private_addresses,
            timeout=settings.parse_timeout,
        )
        return Source(fetched.data, fetched.media_type, fetched.filename or fetched.url)
    return Source(tools.blobs.get(inputs["source_key"]), inputs["media_type"], inputs["filename"] or "")


def _fingerprint(tools: Toolbox, job: Job, source: Source) -> str:
    """Names everything that the document's points depend on."""
    inputs, model = job.inputs, _collection(tools, job).embedding_model
    about = [
        sha256(source.data).hexdigest(),
        source.media_type,
        inputs["title"] or source.name,
        inputs["metadata"],
        model,
        tools.chunker.name,
    ]
    return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _first_words(chunks: Sequence[Chunk]) -> str:
    return " ".join(chunks[0].text.split()[:8])


def _chunks(tools: Toolbox, job: Job) -> tuple[str, list[Chunk]]:
    """NotFound when they are gone: then the document is to be parsed again."""
    return artefacts.unpack_chunks(tools.blobs.get(work_key(job, "chunks")))


def _collection(tools: Toolbox, job: Job) -> Collection:
    collection = tools.documents.collection(job.collection)
    if collection is None or collection.generation != job.inputs["generation"]:
        raise UnknownCollection(
            f"Collection {job.collection!r} was deleted while the document was on its way"
        )
    return collection


def _write_points(run: StageRun, store: str, title: str, chunks: Sequence[Chunk]) -> None:
    vectors = run.tools.vectors
    for start in range(0, len(chunks), SLICE):
        if run.cancelled():
            return
        embeddings = artefacts.unpack_embeddings(
            run.tools.blobs.get(work_key(run.job, f"vectors-{start:08}"))
        )
        if start == 0:
            vectors.ensure(store, spec_of(embeddings[0]))
        pairs = zip(chunks[start : start + SLICE], embeddings, strict=True)
        vectors.upsert(store, [point_of(run.job, title, chunk, embedding) for chunk, embedding in pairs])
        if len(chunks) > SLICE:
            run.progress(min(start + SLICE, len(chunks)), len(chunks))


def _document(run: StageRun, title: str, chunks: Sequence[Chunk]) -> Document:
    job = run.job
    fingerprint, media_type, source_key = json.loads(run.kept("source"))
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
    )


def _remove_older_points(tools: Toolbox, store: str, document: Document) -> None:
    if document.version > 1:
        tools.vectors.delete(store, document.document_id, below=document.version)


def _remove_points(tools: Toolbox, store: str, document: Document) -> None:
    """Whatever is not newer than a version that came too late is stale."""
    tools.vectors.delete(store, document.document_id, below=document.version + 1)


def _result(document: Document, *, unchanged: bool, superseded: bool = False) -> Json:
    result: Json = {
        "document_id": document.document_id,
        "version": document.version,
        "chunks": document.chunks,
        "tokens": document.tokens,
        "unchanged": unchanged,
    }
    return {**result, "superseded": True} if superseded else result
