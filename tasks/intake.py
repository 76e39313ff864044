"""What is handed in: documents, questions, and the key that makes a submit repeatable."""

from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from rag.model import Json
from rag.naming import document_id_of


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in; ``file`` stands at its beginning, ``sha256`` in hex, ``size`` in bytes."""

    file: BinaryIO
    size: int
    sha256: str
    filename: str | None
    media_type: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    url: str


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
    """``cache`` False: nothing kept is used for it, and nothing of it is kept.

    ``timeout``: seconds until nobody wants the answer any more; None: API_TIMEOUT.
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
    """``model`` None: that of the settings, as ``dimension`` is. ``tolerance``: by how much recall may fall.

    ``force``: switch even if it falls by more, and embed anew by the model that is in use already.
    """

    collection: str
    model: str | None = None
    dimension: int | None = None
    tolerance: float = 0.05
    force: bool = False


def default_document_id(source: Upload | Text | Link) -> str:
    """Of a document without a name: from what it is, so that the same one sent twice is one."""
    return document_id_of(content_of(source))


def content_of(source: Upload | Text | Link) -> str:
    """What tells the content from others: its digest; of a link the address."""
    match source:
        case Link(url):
            return f"url:{url}"
        case Text(text):
            return f"sha256:{sha256(text.encode()).hexdigest()}"
        case Upload():
            return f"sha256:{source.sha256}"


def size_of(source: Upload | Text | Link) -> int:
    """In bytes; 0 for an address."""
    match source:
        case Link():
            return 0
        case Text(text):
            return len(text.encode())
        case Upload():
            return source.size
