"""A change of title or metadata: a new version of a document, with the vectors of the present one.

Its job is an ingestion of the bytes that are kept, so it is promised, replayed and restored as any other. It
reaches the model only where the vectors of the present version are not all there.
"""

from collections.abc import Sequence

from rag import artefacts
from rag.errors import Conflict, NotFound, UnknownCollection
from rag.model import Collection, Document, Embedding, Hit, Job, Layout, Passage, Stage
from tasks.keeping import keep_text, work_key
from tasks.layouts import vectors_key
from tasks.passages import chunks_of, passages_of
from tasks.quotas import check_metadata
from tasks.run import Next, StageRun
from tasks.sources import note_source

SLICE = 64
"""Passages whose vectors are in one blob, as an ingestion leaves them."""


def must_be_last(run: StageRun, present: Document) -> None:
    """Conflict where another version came, or is to come, between the one that is changed and the change.

    The change would take its content back.
    """
    inputs, jobs = run.job.inputs, run.tools.jobs
    if inputs["revises"] < present.version < inputs["version"]:
        raise Conflict("The document was replaced while its change was on the way: send the change again")
    if inputs["revises"] != present.version:
        return
    for job_id in jobs.coming_of(run.job.collection, present.document_id):
        other = jobs.get(job_id)
        if other is not None and inputs["revises"] < other.inputs["version"] < inputs["version"]:
            raise Conflict("Another version of the document is on its way: send the change again after it")


def is_being_changed(run: StageRun, present: Document) -> bool:
    """Whether nothing but changes of ``present`` was accepted between it and this job, and is on its way."""
    jobs, version = run.tools.jobs, run.job.inputs["version"]
    coming = map(jobs.get, jobs.coming_of(run.job.collection, present.document_id))
    between = [job for job in coming if job and present.version < job.inputs["version"] < version]
    return bool(between) and all(job.inputs.get("revises") == present.version for job in between)


def changes_nothing(job: Job, present: Document) -> bool:
    inputs = job.inputs
    same = (inputs["title"] or "", inputs["metadata"]) == (present.given_title, present.metadata)
    return same and bool(inputs["revises"] == present.version)


def with_kept_vectors(run: StageRun, collection: Collection, present: Document) -> Next | None:
    """Leave for the index what parsing and embedding would; None where not all of it is there."""
    tools, job = run.tools, run.job
    if job.inputs["revises"] != present.version:
        return None
    passages = passages_of(tools, collection, present)
    if not passages:
        return None
    check_metadata(tools.settings, job.inputs["metadata"], len(passages))
    try:
        for layout in collection.layouts:
            _copy_vectors(run, collection.store_of(layout), layout, passages)
        text = tools.blobs.get(present.text_key).decode()
    except (NotFound, UnknownCollection):
        return None
    chunks, title = chunks_of(run.tools, present, passages), job.inputs["title"] or present.title
    keep_text(tools.blobs, job, text, chunks)
    tools.blobs.put(work_key(job, "chunks"), artefacts.pack_chunks(title, chunks), durable=False)
    note_source(run, present.fingerprint, present.media_type, present.size)
    return Next(Stage.INDEX, size=len(chunks))


def _copy_vectors(run: StageRun, store: str, layout: Layout, passages: Sequence[Passage]) -> None:
    """NotFound where a passage has no point in this layout."""
    for start in range(0, len(passages), SLICE):
        hits = [Hit(passage, 0.0) for passage in passages[start : start + SLICE]]
        found = run.tools.vectors.candidates(store, hits)
        vectors = [Embedding(each.dense, each.tokens) for each in found if each.dense is not None]
        if len(vectors) < len(hits):
            raise NotFound("the layout does not have the document yet")
        run.tools.blobs.put(
            vectors_key(run.job, layout, start), artefacts.pack_embeddings(vectors), durable=False
        )
