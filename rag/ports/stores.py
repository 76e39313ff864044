"""The roles that keep documents: their points, their bytes, and which version is seen."""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

from rag.model import (
    Candidate,
    Collection,
    CollectionSpec,
    Document,
    DocumentVersion,
    Hit,
    Holdings,
    Layout,
    Lease,
    Passage,
    Point,
    Removal,
    Replacement,
    Reservation,
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
        """Remove a document's points: all, or of versions under ``below``, but ``keep``, or ``only`` that."""
        ...

    def search(self, collection: str, query: SearchQuery) -> list[Hit]:
        """At most ``query.limit`` hits by fused dense and lexical score, best first."""
        ...

    def candidates(self, collection: str, hits: Sequence[Hit]) -> list[Candidate]:
        """The hits with their stored vectors, in order; a point that has gone is left out."""
        ...

    def passages(self, collection: str, version: DocumentVersion) -> list[Passage]:
        """What the points of one version of a document carry, by index."""
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
        """Have ``name`` lead to the collection in one step, for whoever else reads the server.

        Nothing where nobody else can.
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

    def put(self, key: str, data: bytes | BinaryIO, *, durable: bool = True) -> None:
        """Store whole or not at all; replaces what was there.

        ``durable`` False: what can be made again, so need not survive a power cut.
        """
        ...

    def get(self, key: str) -> bytes:
        """The bytes. NotFound when there is no such key."""
        ...

    def pieces(
        self, key: str, start: int = 0, end: int | None = None, *, at_once: int = ...
    ) -> Iterator[bytes]:
        """The bytes from ``start`` to ``end``, None: to the last, in pieces of which one at a time is held.

        ``at_once``: bytes of a piece, at most. Raises as they are asked for.
        """
        ...

    def length(self, key: str) -> int:
        """In bytes. NotFound when there is no such key."""
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
        """In bytes, by key, of every blob under the folder."""
        ...


class DocumentRegistry(Protocol):
    """Which version of each document searches may see, and the collections there are."""

    def put_collection(
        self, name: str, embedding_model: str, dimension: int, *, most: int | None = None
    ) -> tuple[Collection, bool]:
        """Create, or return what is there, and whether it is new. Conflict when model or size differ.

        QuotaExceeded when ``most`` collections are there already.
        """
        ...

    def collection(self, name: str) -> Collection | None: ...

    def collections(self) -> tuple[Collection, ...]: ...

    def drop_collection(self, name: str) -> Removal | None:
        """Forget the collection and its documents at once; None when it was not there.

        What restores replaced under its name is given up.
        """
        ...

    def begin_layout(self, collection: Collection, layout: Layout, *, after: str = "") -> Collection:
        """Give the collection a second layout, to which everything is written from then on.

        Of ``layout`` the number does not count: a new one is given. One of the same model that is kept,
        or was being built by the job ``after``, which is over, becomes that of ``layout.job_id``. The
        same call again changes nothing. UnknownCollection; Conflict while there is any other.
        """
        ...

    def switch_layout(self, collection: Collection, number: int, *, under: Lease | None = None) -> bool:
        """Let the second layout serve, and keep the one that did, in one step; True also when it is so.

        One that is being built only under the lease of the job that builds it. False, and nothing
        changed, when the lease is lost, or there is no such layout any more.
        """
        ...

    def end_layout(self, collection: Collection, number: int) -> bool:
        """Forget the second layout; its store may then be dropped. False when it is not there."""
        ...

    def reserve(self, collection: str, job_id: str, *, above: int) -> Reservation:
        """A generation of this name above every one there was, and ``above``, which nobody else gets."""
        ...

    def reservations(self) -> tuple[Reservation, ...]: ...

    def give_up(self, reservation: Reservation) -> bool:
        """From here on the generation can never serve; False when it is not in the job's hands any more."""
        ...

    def release(self, reservation: Reservation) -> None:
        """Nobody needs what is stored for this generation any more; nothing when it is not reserved so."""
        ...

    def surpassed(self, reservation: Reservation) -> bool:
        """Whether a collection of this name was made since the generation was reserved."""
        ...

    def stage(self, reservation: Reservation, documents: Iterable[Document], *, afresh: bool = False) -> None:
        """Note documents to be seen once :meth:`replace` is called; ``afresh``: and none from before."""
        ...

    def replace(self, replacement: Replacement, *, under: Lease) -> bool:
        """Let the staged documents, and none else, be the collection, in one step; True also when it is so.

        The generation that served is then reserved for the same job, with those that were replaced before and
        not given up. False, and nothing changed, when the lease is lost, the reservation was given up,
        nothing is staged (which keeps for a day), or the generation is ``surpassed``.
        """
        ...

    def next_version(self, collection: str, document_id: str) -> int:
        """A number above every one given out for this document before, deleted or not."""
        ...

    def claim(self, collection: str, document_id: str) -> int | None:
        """A version of a document that is not there: as :meth:`next_version`, given out to one caller only.

        None where a version of it was given out before and not deleted since.
        """
        ...

    def highest(self, collection: str) -> int:
        """No version that was given out under this name is above it, whichever collection had the name."""
        ...

    def publish(
        self, document: Document, layouts: Iterable[int] = (0,), *, under: Lease | None = None
    ) -> bool:
        """Make this version the one that searches see, in one step, while the lease ``under`` is held.

        True also when this very version is there already. False, and nothing changed, when the
        lease is lost, a newer version or a later deletion is there, the collection is of another
        generation, or it has a layout that is not among ``layouts``, to which the points were written.
        """
        ...

    def confirm(self, document: Document, later: int, *, under: Lease | None = None) -> bool:
        """Let no version come that is older than ``later``, which has the content of ``document``.

        False, and nothing changed, when the lease is lost, or another version than the document's is seen.
        """
        ...

    def outdated(self, collection: str, generation: int, version: DocumentVersion) -> bool:
        """Whether this version can never be published (again), for one of those reasons."""
        ...

    def get(self, collection: str, document_id: str) -> Document | None: ...

    def holdings(self, owner: str) -> Holdings:
        """What the key of this name keeps, over all collections."""
        ...

    def page(self, collection: str, *, cursor: str | None, limit: int) -> Window[Document]:
        """By document id, ascending."""
        ...

    def delete(self, collection: str, document_id: str, *, up_to: int | None = None) -> Removal | None:
        """Hide the document at once, versions already given out included; None when not there.

        ``up_to``: versions above it stay, or are to be seen once they come.
        """
        ...

    def unpurged(self, *, silent_for: float, limit: int) -> list[Removal]:
        """What was deleted over ``silent_for`` seconds ago and has not been ``entrusted`` to a job.

        Until then the deletion, made again, returns the same removal.
        """
        ...

    def assign_purge(self, removal: Removal) -> None:
        """A job is recorded that purges it."""
        ...

    def stale(self, collection: str, versions: Iterable[DocumentVersion]) -> tuple[DocumentVersion, ...]:
        """Those of ``versions`` that are not the ones to be seen now."""
        ...
