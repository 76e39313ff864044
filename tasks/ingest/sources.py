"""Sources of ingestions: the bytes that were sent or fetched, and their fingerprint."""

import json
from dataclasses import dataclass
from hashlib import sha256

from rag.errors import Transient
from rag.fetching import Order, fetch
from rag.fetching.own_services import own_services
from rag.model import Job
from rag.telemetry import tracing
from tasks.documents.blob_keys import folder_of, source_key
from tasks.stages.run import StageRun

_FETCHED, _NOTED = "fetched", "source"


@dataclass(frozen=True, slots=True)
class Source:
    """``name``: of the file, or the address that it came from; "" for plain text."""

    data: bytes
    media_type: str
    name: str


def fetch_source(run: StageRun) -> None:
    """Fetch the document at the job's URL, for :func:`source_of`. Raises what :func:`fetch` does."""
    settings = run.tools.settings
    order = Order(
        url=run.job.inputs["url"],
        max_bytes=settings.max_upload_mb * 1_000_000,
        seconds=settings.fetch_timeout,
        allow_private=settings.fetch_private_addresses,
        own=own_services(settings),
    )
    with tracing.step("fetch child"):
        fetched = fetch(order, wanted=lambda: _is_wanted(run))
    run.tools.blobs.put(source_key(folder_of(run.job), run.job.id), fetched.data)
    run.save(_FETCHED, json.dumps([fetched.media_type, fetched.filename or fetched.url]).encode())


def source_of(run: StageRun) -> Source:
    """The source of the job's document. NotFound when its bytes are gone, or were not fetched yet."""
    blobs, job = run.tools.blobs, run.job
    if "url" in job.inputs:
        media_type, name = json.loads(run.load(_FETCHED))
        return Source(blobs.get(source_key(folder_of(job), job.id)), media_type, name)
    return Source(blobs.get(job.inputs["source_key"]), job.inputs["media_type"], job.inputs["filename"] or "")


def note_source(run: StageRun, fingerprint: str, media_type: str, size: int) -> None:
    """Store for the index stage what the document was made from. ``size``: in bytes."""
    told = [fingerprint, media_type, source_key(folder_of(run.job), run.job.id), size]
    run.save(_NOTED, json.dumps(told).encode())


def noted_source(run: StageRun) -> tuple[str, str, str, int]:
    """Fingerprint, media type, key, and size in bytes."""
    fingerprint, media_type, key, size = json.loads(run.load(_NOTED))
    return fingerprint, media_type, key, size


def _is_wanted(run: StageRun) -> bool:
    """Whether the job is neither cancelled nor overdue. While its record is away, the last answer counts."""
    if run.overdue():
        return False
    try:
        return run.holds()
    except Transient:
        return not run.cancelled()


def fingerprint_of(job: Job, source: Source, chunker: str) -> str:
    """A digest of everything that the document's passages depend on. ``chunker``: its name."""
    digest, title = sha256(source.data).hexdigest(), job.inputs["title"] or source.name
    about = [digest, source.media_type, title, job.inputs["metadata"], chunker]
    return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
