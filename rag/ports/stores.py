"""The roles that keep vectors and bytes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Protocol

from rag.model import (
    Candidate,
    CollectionSpec,
    DocumentVersion,
    Hit,
    Passage,
    Point,
    SearchQuery,
)
from rag.ports.paging import Window


class VectorStore(Protocol):
    """Points by collection. Every write is durable when the call returns.

    Raises UnknownCollection for a name that was not ensured, InvalidRequest for vectors
    or payloads that the engine would silently mishandle (NaN, wrong size, lone
    surrogates), Unavailable when the engine is away.
    """

    def ensure(self, collection: str, spec: CollectionSpec) -> None:
        """Create the collection; nothing when it is there with the same spec, else Conflict."""
        ...

    def drop(self, collection: str) -> None:
        """Remove the collection and its points; nothing when it is not there."""
        ...

    def collections(self) -> tuple[str, ...]: ...

    def upsert(self, collection: str, points: Sequence[Point]) -> None: ...

    def delete(
        self,
        collection: str,
        document_id: str,
        *,
        below: int | None = None,
        keep: int | None = None,
        only: int | None = None,
    ) -> None:
        """Remove a document's points.

        ``below``: only of versions under it. ``keep``: except of this version. ``only``: of this one alone.
        """
        ...

    def search(self, collection: str, query: SearchQuery) -> list[Hit]:
        """At most ``query.limit`` hits by fused dense and lexical score, best first."""
        ...

    def candidates(self, collection: str, hits: Sequence[Hit]) -> list[Candidate]:
        """The hits with their stored vectors, in order; a point that has gone is left out."""
        ...

    def passages(self, collection: str, version: DocumentVersion) -> list[Passage]:
        """The passages of one version of a document, in order of their index."""
        ...

    def scroll(
        self,
        collection: str,
        *,
        after: str | None,
        limit: int,
        versions: Sequence[DocumentVersion] | None = None,
    ) -> Window[Point]:
        """Points with their vectors by ascending id, those behind ``after``; ``next``: the last one's id.

        Those of ``versions`` alone; None: of all. At most ``limit``, and fewer where the engine sets bounds:
        only ``next`` None is the end.
        """
        ...

    def alias(self, name: str, collection: str) -> None:
        """Make ``name`` an alias of the collection, in one step, for other readers of the server.

        Does nothing for an engine that only Aegis reads.
        """
        ...

    def count(self, collection: str, document_id: str | None = None) -> int:
        """Points of the collection, or of one document in it (every version)."""
        ...

    def ping(self) -> None:
        """Return when the engine answers; Unavailable when it does not."""
        ...


class BlobStore(Protocol):
    """Bytes by key, in a folder or a bucket. Keys are ``/``-separated, without ``..``."""

    def put(self, key: str, data: bytes | BinaryIO, *, durable: bool = True, wait: bool = True) -> None:
        """Store the bytes, whole or not at all; replaces what was there.

        ``durable`` False: they can be made again, so they need not survive a power cut. ``wait`` False: they
        survive it once a later ``put`` of this process has returned for which it waited.
        """
        ...

    def make_durable(self, key: str, digest: str | None) -> None:
        """Make a blob durable that was put without, as ``put`` does without waiting.

        NotFound when it is gone, or its SHA-256 is not ``digest``, as hexadecimal digits. In a bucket it is
        durable already, and nothing is asked.
        """
        ...

    def put_all(self, blobs: Mapping[str, bytes | BinaryIO]) -> None:
        """Store many blobs, each whole or not at all. All of them are durable once this returns."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes. NotFound when there is no such key."""
        ...

    def pieces(
        self, key: str, start: int = 0, end: int | None = None, *, at_once: int = ...
    ) -> Iterator[bytes]:
        """The bytes from ``start`` to ``end`` (None: to the last), in pieces; one at a time is in memory.

        ``at_once``: bytes of a piece, at most. Errors are raised while the pieces are read.
        """
        ...

    def length(self, key: str) -> int:
        """The size in bytes. NotFound when there is no such key."""
        ...

    def copy(self, key: str, to: str) -> None:
        """Store the same bytes under another key; as durable as a put. NotFound when there is no such key."""
        ...

    def exists(self, key: str) -> bool: ...

    def delete(self, key: str) -> None:
        """Remove the key; nothing when it is not there."""
        ...

    def keys(self, prefix: str) -> Iterator[str]: ...

    def sizes(self, folder: str) -> dict[str, int]:
        """The size in bytes of every blob under the folder, by key."""
        ...
