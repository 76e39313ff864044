"""Requests: documents and questions as callers submit them, and the key that makes a submit repeatable."""

from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from rag.model import Json


@dataclass(frozen=True, slots=True)
class Upload:
    """A file. ``file`` stands at its beginning; ``sha256`` is in hex, ``size`` in bytes."""

    file: BinaryIO
    size: int
    sha256: str
    filename: str | None
    media_type: str

    @property
    def content(self) -> str:
        """Tells this content from every other one, here and below."""
        return f"sha256:{self.sha256}"


@dataclass(frozen=True, slots=True)
class Text:
    text: str

    @property
    def size(self) -> int:
        return len(self.text.encode())

    @property
    def content(self) -> str:
        return f"sha256:{sha256(self.text.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Link:
    url: str

    @property
    def size(self) -> int:
        return 0  # not known before the document is fetched

    @property
    def content(self) -> str:
        return f"url:{self.url}"


@dataclass(frozen=True, slots=True)
class Idempotency:
    """``key`` is already scoped to the caller; ``body_digest`` tells bodies apart."""

    key: str
    body_digest: str


@dataclass(frozen=True, slots=True)
class Ingestion:
    """``keep``: a document that has this ``document_id`` already stays, and this one gets another id."""

    source: Upload | Text | Link
    collection: str
    document_id: str | None = None
    title: str | None = None
    metadata: Json | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """``cache`` False: no cached answer is used, and this answer is not cached.

    ``timeout``: seconds after which nobody wants the answer; None: API_TIMEOUT.
    """

    question: str
    collection: str
    top_k: int
    top_n: int
    where: Json
    generate: bool = True
    stream: bool = False
    cache: bool = True
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Reindexing:
    """``model`` and ``dimension`` None: those of the settings. ``tolerance``: by how much recall may fall.

    ``force``: switch even if it falls by more, and embed again by the model that is in use already.
    """

    collection: str
    model: str | None = None
    dimension: int | None = None
    tolerance: float = 0.05
    force: bool = False
