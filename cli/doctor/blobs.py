"""The blob store: some bytes are written, read, compared and removed."""

from collections.abc import Callable
from hashlib import sha256
from time import perf_counter
from uuid import uuid4

from cli.doctor.finding import Finding, milliseconds
from rag.errors import Unavailable
from rag.ports import BlobStore
from rag.settings import Settings

PART = "blob store"
REMEDY = "see BLOB_URL, its credentials, and its free space"
_BYTES = 64 * 1024


def examine(settings: Settings, store: Callable[[], BlobStore]) -> Finding:
    """A missing folder in AEGIS_HOME is fine: the stack makes it. Raises what the store does."""
    if settings.blob_url is None and not (settings.home / "blobs").exists():
        return Finding(PART, "note", f"{settings.blob_address} is not there yet, the stack makes it")
    blobs = store()
    # Different bytes each time, so that a cache on the way cannot answer for the store.
    key, data = f"doctor/{uuid4()}", (sha256(uuid4().bytes).digest() * (_BYTES // 32))[:_BYTES]
    began = perf_counter()
    try:
        blobs.put(key, data, durable=False)
        whole = sha256(blobs.get(key)).digest() == sha256(data).digest()
    finally:
        blobs.delete(key)
    if not whole:
        raise Unavailable(f"{settings.blob_address} gives back other bytes than were written")
    text = f"{settings.blob_address}: writes, reads and deletes {_BYTES // 1024} KB"
    return Finding(PART, "ok", text, ms=milliseconds(began))
