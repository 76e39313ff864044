"""What can be ingested from the command line: a file, an address, standard input."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from cli.client import Client
from cli.contents import Content
from rag.errors import ConfigurationError
from rag.jsontypes import Json
from rag.media import READABLE
from rag.naming import checked_document_id, document_id_of

_LINK_WEIGHS = 65_536
_PIECE = 1 << 20


class Source(Protocol):
    """``size`` in bytes, as far as it is known; ``document_id`` None: the API makes one."""

    @property
    def name(self) -> str:
        """As the command line named it, or found it."""
        ...

    @property
    def document_id(self) -> str | None: ...

    @property
    def size(self) -> int: ...

    @property
    def mark(self) -> str:
        """Differs when something else is meant; "" of what nobody can name twice."""
        ...

    @property
    def is_lasting(self) -> bool:
        """Whether the same mark means the same content."""
        ...

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:
        """``{"job_id", …}``; ``key``: its Idempotency-Key. Raises AegisError and OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A file and the id that its document gets: its path below the folder that was named."""

    path: Path
    document_id: str
    size: int = 0
    mark: str = ""

    @classmethod
    def at(cls, path: Path, document_id: str) -> "Found":
        """OSError when it is gone."""
        status = path.stat()
        mark = f"{status.st_size}:{status.st_mtime_ns}:{path.absolute()}"
        return cls(path, document_id, status.st_size, mark)

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def is_lasting(self) -> bool:
        return True

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:
        return client.ingest(self.path, self.document_id, collection, key=key)


@dataclass(frozen=True, slots=True)
class Link:
    """An address that the API fetches. What is there may be another text each time."""

    name: str
    document_id: str | None = None
    size: int = _LINK_WEIGHS
    mark: str = "address"
    is_lasting: bool = False

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:
        return client.ingest_link(self.name, collection, key=key)


@dataclass(frozen=True, slots=True)
class Piped:
    """What was read from standard input, in a file. ``filename`` and ``media_type`` as they were given."""

    content: BinaryIO
    document_id: str
    size: int
    filename: str
    media_type: str | None = None
    name: str = "-"
    mark: str = ""
    is_lasting: bool = False

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:
        self.content.seek(0)
        content = Content(self.content, self.filename, self.media_type)
        return client.ingest_content(content, self.document_id, collection, key=key)


@dataclass(frozen=True, slots=True)
class Omitted:
    """A file or folder that is not sent, and why.

    ``wanted``: somebody asked for it, so it counts as a failure, of the sort that ``code`` names.
    """

    name: str
    reason: str
    wanted: bool = False
    code: str = ""


def piped(stream: BinaryIO, name: str | None, media_type: str | None) -> Piped | Omitted:
    """Standard input, read to its end. Its document's id is ``name``, or made from what it says.

    ``media_type``: as a type or an extension. ConfigurationError for a name that is no id, and a full disk.
    """
    content = TemporaryFile()  # noqa: SIM115 - the caller's, until it ends
    digest, size = sha256(), 0
    try:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            size += content.write(piece)
        document_id = checked_document_id(name or document_id_of(f"sha256:{digest.hexdigest()}"))
    except OSError as error:
        raise ConfigurationError(f"standard input cannot be kept: {error}") from error
    except ValueError as error:
        raise ConfigurationError(f"--name becomes the document's id, and {error}") from error
    if not size:
        return Omitted("-", "there is nothing in it", wanted=True, code="empty")
    filename = PurePosixPath(name or "").name or "standard input"
    return Piped(content, document_id, size, filename, media_type and _type_of(media_type))


def _type_of(told: str) -> str:
    """A media type, also of an extension such as ``md``."""
    extension = told.lstrip(".").lower()
    return next((kind for kind, known in READABLE.items() if extension in known), told)
