"""From the body of ``POST /v1/documents:batch`` to its documents: lines of JSON, a form, or an archive.

Bodies come as files: see :mod:`api.incoming.receiving`. Everything here reads them, so it runs in a thread. A
body is read twice: first its documents are counted, so that too many are refused before one is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import IO, Protocol

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.calls.submission import digest
from api.calls.uploads import Received, from_line, too_large
from api.incoming.receiving import MIB
from api.schemas.bodies import OnConflict
from rag.errors import AegisError, DocumentTooLarge
from rag.model import Json
from rag.settings import Settings
from tasks.submit.batch_drafts import Part, Refusal

REFUSED = (AegisError, RequestValidationError, HTTPException)
"""Errors of a document, which do not touch the others."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for documents that do not say it themselves. ``collection`` None: COLLECTION_NAME."""

    settings: Settings
    collection: str | None = None
    on_conflict: OnConflict | None = None

    @property
    def body(self) -> Json:
        """As an Idempotency-Key compares it."""
        return {"collection": self.collection, "on_conflict": self.on_conflict}

    def part(self, position: int, received: Received) -> Part:
        """The document at ``position``. InvalidRequest where it asks for another ``on_conflict``."""
        if self.on_conflict is not None:
            received = received.on_conflict(self.on_conflict)
        ingestion = received.ingestion
        if self.collection is not None and "collection" not in received.body:
            ingestion = replace(ingestion, collection=self.collection)
        told = {**received.body, "collection": ingestion.collection, "document_id": ingestion.document_id}
        return Part(position, ingestion, digest(told))


class BatchBody(Protocol):
    """``count``: how many documents it has. ``digest``: tells its content from any other, in hex."""

    count: int
    digest: str

    def parts(self) -> Iterator[Part | Refusal]:
        """The documents in their order; of each one that cannot be used, why."""
        ...


class LineBody:
    """NDJSON: a body of ``POST /v1/documents`` a line; empty lines do not count.

    DocumentTooLarge for too many lines.
    """

    def __init__(self, body: IO[bytes], defaults: Defaults) -> None:
        self._body, self._defaults = body, defaults
        hashed, self.count = sha256(), 0
        for line in self._lines():
            self.count += 1
            require_few(self.count, defaults.settings)
            hashed.update(b"\n" if line is None else line)
        self.digest = hashed.hexdigest()

    def parts(self) -> Iterator[Part | Refusal]:
        for position, line in enumerate(self._lines()):
            try:
                if line is None:
                    raise too_large(self._defaults.settings)
                yield self._defaults.part(position, from_line(line, self._defaults.settings))
            except REFUSED as error:
                yield Refusal(position, error)

    def _lines(self) -> Iterator[bytes | None]:
        """Each line that is not blank; None for one that is longer than any document."""
        self._body.seek(0)
        longest = self._defaults.settings.max_upload_mb * MIB + MIB
        while line := self._body.readline(longest):
            if len(line) < longest or line.endswith(b"\n"):
                if line.strip():
                    yield line
                continue
            while (rest := self._body.readline(MIB)) and not rest.endswith(b"\n"):
                pass
            yield None


def require_few(count: int, settings: Settings) -> None:
    """DocumentTooLarge for more documents than a batch may have."""
    if count > settings.max_batch_documents:
        raise DocumentTooLarge(
            f"A batch may have {settings.max_batch_documents} documents at most (MAX_BATCH_DOCUMENTS)"
        )
