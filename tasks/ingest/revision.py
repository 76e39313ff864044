"""A change of title or metadata: a new version of a document, with the vectors of the present one.

Its job is an ingestion of the stored bytes, so it is promised, replayed and restored like any other. It
calls the model only where vectors of the present version are missing.
"""

from collections.abc import Sequence

from rag.errors import Conflict, NotFound, UnknownCollection
from rag.model import (
    Chunk,
    Collection,
    Document,
    DocumentVersion,
    Embedding,
    Hit,
    Job,
    Layout,
    Passage,
    Stage,
)
from rag.naming import chunks_key
from rag.text.places import unpack_places
from tasks.documents.layouts import vectors_key
from tasks.documents.quotas import check_metadata
from tasks.ingest.attachments import keep_attachments
from tasks.ingest.parsed_text import save_parsed
from tasks.ingest.sources import SourceNote, source_note
from tasks.stages import artefacts
from tasks.stages.run import Next, StageRun

SLICE = 64
"""Passages whose vectors share a blob, as an ingestion stores them."""


def must_be_last(run: StageRun, present: Document) -> None:
    """Raise Conflict if another version came, or is on its way, between the changed version and the change.

    The change would undo that version's content.
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
    """Whether jobs between ``present`` and this job are on their way, and all of them are changes of it."""
    jobs, version = run.tools.jobs, run.job.inputs["version"]
    coming = map(jobs.get, jobs.coming_of(run.job.collection, present.document_id))
    between = [job for job in coming if job and present.version < job.inputs["version"] < version]
    return bool(between) and all(job.inputs.get("revises") == present.version for job in between)


def changes_nothing(job: Job, present: Document) -> bool:
    inputs = job.inputs
    same = (inputs["title"] or "", inputs["metadata"]) == (present.given_title, present.metadata)
    return same and bool(inputs["revises"] == present.version)


def with_kept_vectors(run: StageRun, collection: Collection, present: Document) -> Next | None:
    """Store what parsing and embedding would, for the index stage. None where not all of it is there."""
    tools, job = run.tools, run.job
    if job.inputs["revises"] != present.version:
        return None
    if present.attachments and job.inputs["metadata"] != present.metadata:
        return None  # the mail is read anew, so that its attachments get the metadata too
    try:
        version = DocumentVersion(present.document_id, present.version)
        passages = tools.vectors.passages(collection.store, version)
        if not passages or len(passages) != present.chunks:
            return None
        check_metadata(tools.settings, job.inputs["metadata"], len(passages))
        for layout in collection.layouts:
            _copy_vectors(run, collection.store_of(layout), layout, passages)
        text = tools.blobs.get(present.text_key).decode()
        places = unpack_places(tools.blobs.get(chunks_key(present.text_key)))
    except (NotFound, UnknownCollection):
        return None
    title = job.inputs["title"] or present.title
    chunks = [
        Chunk(p.index, p.text, p.start, p.end, places[p.index].tokens, p.page, p.headings, p.confidence)
        for p in passages
    ]
    digests = save_parsed(run, title, text, chunks)
    file_title = "" if job.inputs["title"] else present.searched_title
    about = present.fingerprint, present.media_type, present.size, present.warnings
    keep_attachments(run, present)
    saves = source_note(SourceNote(*about, file_title, digests))
    return Next(Stage.INDEX, size=len(chunks), saves=saves)


def _copy_vectors(run: StageRun, store: str, layout: Layout, passages: Sequence[Passage]) -> None:
    """Store the passages' vectors as an ingestion does. NotFound if one has no point in this layout."""
    for start in range(0, len(passages), SLICE):
        hits = [Hit(passage, 0.0) for passage in passages[start : start + SLICE]]
        found = run.tools.vectors.candidates(store, hits)
        vectors = [Embedding(each.dense, each.tokens) for each in found if each.dense is not None]
        if len(vectors) < len(hits):
            raise NotFound("the layout does not have the document yet")
        run.tools.blobs.put(
            vectors_key(run.job, layout, start), artefacts.pack_embeddings(vectors), durable=False
        )
