"""Jobs that purge what was deleted."""

from dataclasses import replace

from rag.model import JobKind, Json, NewJob, Removal, Reservation, Stage
from rag.naming import new_id
from rag.ports import Accepted, DocumentRegistry, JobStore
from rag.telemetry import tracing


def assign_purge_job(
    jobs: JobStore, documents: DocumentRegistry, removal: Removal, *, owner: str = ""
) -> Accepted:
    """Record the job of ``removal``. Repeated calls return the same; ``new`` tells nothing. Unavailable."""
    inputs: Json = {"document_id": removal.document_id, "generation": removal.generation}
    if removal.document_id is not None:  # else the whole collection goes
        inputs |= {"version": removal.version, "blobs": list(removal.blobs), "title": removal.title}
        if removal.attachments:
            inputs["attachments"] = list(removal.attachments)
    job = NewJob(removal.job_id, JobKind.DELETE, Stage.PURGE, removal.collection, inputs, owner=owner)
    with tracing.submitted(job) as trace:
        accepted = jobs.accept(replace(job, trace=trace))
    documents.assign_purge(removal)
    return accepted


def accept_purge(jobs: JobStore, reservation: Reservation) -> Accepted:
    """Record the job that purges a generation which does not serve. One in all. Unavailable."""
    name, generation = reservation.collection, reservation.generation
    inputs: Json = {"document_id": None, "generation": generation}
    job = NewJob(new_id(), JobKind.DELETE, Stage.PURGE, name, inputs)
    key = f"purge:{name}-{generation}:{reservation.job_id}"
    with tracing.submitted(job) as trace:
        return jobs.accept(replace(job, trace=trace), idempotency_key=key, body_digest=key)
