"""Sources of ingestions: the bytes that were sent or fetched, and their fingerprint."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from pydantic import TypeAdapter

from rag.errors import NotFound, Transient
from rag.fetching import Order, fetch
from rag.fetching.own_services import own_services
from rag.model import Chunk, Job, ReadingWarning
from rag.naming import plain_name
from rag.telemetry import tracing
from rag.text.titles import MAX_TITLE, title_of_file_name
from tasks.documents.blob_keys import folder_of, source_key
from tasks.stages.run import StageRun

_FETCHED = "fetched"
NOTED_SOURCE = "source"
"""Artefact: a :class:`SourceNote`."""

_FIRST_WORDS = 8
"""Words of a text that become its title where it has no other."""


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


@dataclass(frozen=True, slots=True)
class SourceNote:
    """What a document was made from.

    ``size``: in bytes. ``warnings``: about what of it was not read. ``file_title``: its title, where that is
    from the name of the file. ``digests``: of what was parsed, as ``save_parsed`` returns them.
    """

    fingerprint: str
    media_type: str
    size: int
    warnings: tuple[ReadingWarning, ...] = ()
    file_title: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


_NOTES = TypeAdapter(SourceNote)


def source_note(note: SourceNote) -> dict[str, bytes]:
    """The note as the index stage finds it, for :attr:`Next.saves`."""
    return {NOTED_SOURCE: _NOTES.dump_json(note)}


def noted_source(run: StageRun) -> SourceNote:
    """The note that an earlier stage saved. NotFound without a whole one: parsing makes it again."""
    try:
        return _NOTES.validate_json(run.load(NOTED_SOURCE))
    except ValueError as error:
        raise NotFound(f"what is noted of the source is damaged: {error}") from error


def file_title_of(source: Source) -> str:
    """The title that the name of the file gives, without its ending. "" for an address."""
    return "" if "://" in source.name else title_of_file_name(source.name) or ""


def title_without_any(source: Source, chunks: Sequence[Chunk]) -> str:
    """The title of a text that has no other: the address that it came from, or its first words."""
    if address := title_of_file_name(source.name):
        return address
    return plain_name(" ".join(chunks[0].text[:1000].split()[:_FIRST_WORDS]))[:MAX_TITLE]


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
