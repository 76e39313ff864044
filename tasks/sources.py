"""What an ingestion begins with: the bytes that were sent or fetched, and what tells them from others."""

import json
from dataclasses import dataclass
from hashlib import sha256

from rag.fetching import fetch
from rag.model import Job, Json
from tasks.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Source:
    """``name``: of the file, or the address that it came from; '' for plain text."""

    data: bytes
    media_type: str
    name: str


def source_of(tools: Toolbox, inputs: Json) -> Source:
    """NotFound when the bytes that were sent are gone."""
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


def fingerprint_of(job: Job, source: Source, chunker: str) -> str:
    """Names everything that the document's passages depend on; ``chunker``: its name."""
    inputs = job.inputs
    about = [
        sha256(source.data).hexdigest(),
        source.media_type,
        inputs["title"] or source.name,
        inputs["metadata"],
        chunker,
    ]
    return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
