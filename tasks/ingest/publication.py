"""The end of an ingestion: the version is published, and what it replaces is removed."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from time import time

from rag.errors import NotFound
from rag.model import Collection, Document, DocumentVersion, Json, Stage
from rag.naming import chunks_key
from tasks.documents.blob_keys import discard, folder_of, source_key, text_key
from tasks.documents.layouts import collection_of, delete_points, numbers_of
from tasks.documents.quotas import keeper_of
from tasks.ingest.attachments import (
    end_unwanted,
    hand_in_attachments,
    is_unwanted,
    note_former,
    noted_attachments,
    take_back,
)
from tasks.ingest.points import SLICE, Content
from tasks.ingest.revision import must_be_last
from tasks.stages.stage import Done, Next, Outcome, StageRun


def document_of(run: StageRun, content: Content) -> Document:
    """The version that the job makes."""
    job, note = run.job, content.note
    return Document(
        document_id=job.inputs["document_id"],
        collection=job.collection,
        generation=job.inputs["generation"],
        version=job.inputs["version"],
        fingerprint=note.fingerprint,
        title=content.title,
        media_type=note.media_type,
        source_key=source_key(folder_of(job), job.id),
        text_key=text_key(job),
        chunks=len(content.chunks),
        tokens=sum(chunk.tokens for chunk in content.chunks),
        created_at=job.created_at,
        updated_at=time(),
        metadata=job.inputs["metadata"],
        given_title=job.inputs["title"] or "",
        owner=keeper_of(job),
        searched_title=content.searched_title,
        size=note.size,
        warnings=note.warnings,
        parent=job.inputs.get("parent", ""),
        attachments=noted_attachments(run).ids,
    )


def publish(run: StageRun, collection: Collection, document: Document) -> Outcome:
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
    return finish(run, collection, document)


def _withdraw(run: StageRun, collection: Collection, document: Document) -> Outcome:
    """Handle a refused publication: the lease was lost, a layout began meanwhile, or a newer version came."""
    tools, job = run.tools, run.job
    if not run.holds():
        return Next(Stage.INDEX)
    version = DocumentVersion(document.document_id, document.version)
    if not tools.documents.superseded(job.collection, document.generation, version):
        return Next(Stage.EMBED, size=SLICE)
    collection_of(tools, job)  # raises if the collection was replaced: then nothing is newer
    delete_points(tools.vectors, collection, document.document_id, only=document.version)
    return Done(
        lambda *_: result_of(document, unchanged=False, superseded=True),
        after=lambda: discard(tools.blobs, job, source=True, text=True),
    )


def finish(run: StageRun, collection: Collection, document: Document) -> Outcome:
    """Remove the points of older versions, and the job's work, after the version was published."""
    if document.version > 1:
        delete_points(run.tools.vectors, collection, document.document_id, below=document.version)
    if is_unwanted(run):  # its mail was deleted in this moment, by somebody who may not have seen it
        return take_back(run, document)
    attachments = hand_in_attachments(run, document)
    discard(run.tools.blobs, run.job)
    return Done(lambda *_: result_of(document, unchanged=False, attachments=attachments.ids))


def end_replaced(run: StageRun) -> Outcome:
    """End a job that runs again although a newer version has replaced its own, and its source with it.

    Raises NotFound if the source is gone for another reason.
    """
    job, inputs = run.job, run.job.inputs
    version = DocumentVersion(inputs["document_id"], inputs["version"])
    if not run.tools.documents.superseded(job.collection, inputs["generation"], version):
        raise NotFound("The document's bytes are gone from the blob store: submit it again")
    collection_of(run.tools, job)
    return Done(
        lambda *_: {**asdict(version), "chunks": 0, "tokens": 0, "unchanged": False, "superseded": True}
    )


def result_of(
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
