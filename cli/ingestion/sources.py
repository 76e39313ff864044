"""What can be ingested from the command line: a file, an address, standard input."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from cli.client.client import Client
from cli.client.transport import Upload
from rag.errors import ConfigurationError
from rag.media import READABLE
from rag.naming import checked_document_id, document_id_of, document_id_of_file
from rag.web.jsontypes import Json

_LINK_BYTES = 65_536  # an estimate, for the progress bar
_PIECE = 1 << 20
_SMALL = 64 << 10
"""Bytes of a file that is sent with others in one call."""


class Source(Protocol):
    """``size`` in bytes, or an estimate; ``document_id`` None: the API makes one."""

    @property
    def name(self) -> str:
        """As the command line names it, or found it in a folder."""
        ...

    @property
    def document_id(self) -> str | None: ...

    @property
    def size(self) -> int: ...

    @property
    def mark(self) -> str:
        """Differs when the source has changed; "" for a source that cannot be read again."""
        ...

    @property
    def is_lasting(self) -> bool:
        """Whether the same mark means the same content."""
        ...

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:
        """``{"job_id", …}``; ``key``: its Idempotency-Key. Raises AegisError and OSError."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file, and the id that its document gets: its path below the folder that was named."""

    path: Path
    document_id: str
    size: int = 0
    mark: str = ""

    @classmethod
    def at(cls, path: Path, document_id: str) -> "LocalFile":
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

    @property
    def is_small(self) -> bool:
        """Whether it may go in a batch, where the name of a file alone makes the document's id."""
        fits = document_id_of_file(self.document_id) == self.document_id
        return self.size <= _SMALL and fits and PurePosixPath(self.document_id).name == self.path.name

    def content(self) -> bytes:
        """OSError, also for a file that has grown since it was found."""
        with self.path.open("rb") as file:
            found = file.read(_SMALL + 1)
        if len(found) > _SMALL:
            raise OSError("it became longer while it was sent")
        return found

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:
        return client.ingest(self.path, self.document_id, collection, key=key)


@dataclass(frozen=True, slots=True)
class Link:
    """An address that the API fetches. Its content may differ each time."""

    name: str
    document_id: str | None = None
    size: int = _LINK_BYTES
    mark: str = "address"
    is_lasting: bool = False

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:
        return client.ingest_link(self.name, collection, key=key)


@dataclass(frozen=True, slots=True)
class StandardInput:
    """Standard input, copied to a file. ``filename`` and ``media_type`` as they were given."""

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
        upload = Upload(self.content, self.filename, self.media_type)
        return client.ingest_upload(upload, self.document_id, collection, key=key)


@dataclass(frozen=True, slots=True)
class Omitted:
    """A file or folder that is not sent, and why.

    ``wanted``: it was asked for, so it counts as a failure, of the kind ``code``.
    """

    name: str
    reason: str
    wanted: bool = False
    code: str = ""


def read_standard_input(
    stream: BinaryIO, name: str | None, media_type: str | None
) -> StandardInput | Omitted:
    """Read ``stream`` to its end. The document's id is ``name``, or is made from the content.

    ``media_type``: a media type or a file extension such as ``md``. ConfigurationError for a name that is no
    id, and for a full disk.
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
    if media_type:
        extension = media_type.lstrip(".").lower()
        media_type = next((kind for kind, known in READABLE.items() if extension in known), media_type)
    filename = PurePosixPath(name or "").name or "standard input"
    return StandardInput(content, document_id, size, filename, media_type)
