"""The role that knows which documents and collections there are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from rag.model import (
    Collection,
    Document,
    DocumentVersion,
    Holdings,
    Layout,
    Lease,
    Removal,
    Replacement,
    Reservation,
)
from rag.ports.paging import Window


class DocumentRegistry(Protocol):
    """Which version of each document searches may see, and the collections there are."""

    def put_collection(
        self, name: str, embedding_model: str, dimension: int, *, most: int | None = None
    ) -> tuple[Collection, bool]:
        """Create the collection, or return the one that is there; and whether it is new.

        Conflict when the model or the dimension differ.
        QuotaExceeded when ``most`` collections are there already.
        """
        ...

    def collection(self, name: str) -> Collection | None: ...

    def collections_named(self, names: Sequence[str]) -> list[Collection | None]:
        """What :meth:`collection` returns for each of the names, asked for together."""
        ...

    def collections(self) -> tuple[Collection, ...]: ...

    def drop_collection(self, name: str) -> Removal | None:
        """Forget the collection and its documents at once; None when it was not there.

        Generations that restores replaced under its name are given up too.
        """
        ...

    def begin_layout(self, collection: Collection, layout: Layout, *, after: str = "") -> Collection:
        """Give the collection a second layout. From then on, everything is written to both.

        The number of ``layout`` is ignored: it gets a new one. A second layout of the same model that is
        kept, or that the job ``after`` built, which is over, is taken over by ``layout.job_id``. Repeating
        the call changes nothing. UnknownCollection; Conflict while there is any other second layout.
        """
        ...

    def switch_layout(self, collection: Collection, number: int, *, under: Lease | None = None) -> bool:
        """Let the second layout serve, and keep the other, in one step. True also when it serves already.

        A layout that is being built is switched to only under the lease of its job. False, and nothing
        changed, when the lease is lost, or the layout is gone.
        """
        ...

    def end_layout(self, collection: Collection, number: int) -> bool:
        """Forget the second layout; its store may then be dropped. False when it is not there."""
        ...

    def reserve(self, collection: str, job_id: str, *, above: int) -> Reservation:
        """Reserve for this job a generation of this name above ``above`` and every one there was."""
        ...

    def reservations(self) -> tuple[Reservation, ...]: ...

    def give_up(self, reservation: Reservation) -> bool:
        """Make sure that the generation never serves. False when the job does not hold it any more."""
        ...

    def release(self, reservation: Reservation) -> None:
        """Note that all that was stored for the generation is removed. Nothing if it is not reserved so."""
        ...

    def reservation_superseded(self, reservation: Reservation) -> bool:
        """Whether a collection of this name was made since the generation was reserved."""
        ...

    def stage(self, reservation: Reservation, documents: Iterable[Document], *, afresh: bool = False) -> None:
        """Note documents that searches see after :meth:`replace`. ``afresh``: forget those noted before."""
        ...

    def replace(self, replacement: Replacement, *, under: Lease) -> bool:
        """Let the staged documents alone be the collection, in one step. True also when that was done before.

        The generation that served is then reserved for the same job, with those that were replaced before and
        not given up. False, and nothing changed, when the lease is lost, the reservation was given up,
        nothing is staged (staged documents expire after a day), or the reservation is superseded.
        """
        ...

    def next_version(self, collection: str, document_id: str) -> int:
        """Allocate a version above all that were allocated for this document before, deleted or not."""
        ...

    def next_versions(self, collection: str, document_ids: Sequence[str]) -> Sequence[int]:
        """As :meth:`next_version`, for many documents in one step."""
        ...

    def sizes_of(self, collection: str, owner: str, document_ids: Sequence[str]) -> Mapping[str, int]:
        """Of those documents that the key with this name has brought, the bytes of their sources."""
        ...

    def claim(self, collection: str, document_id: str) -> int | None:
        """As :meth:`next_version`, for a document that is not there; only one caller gets it.

        None where a version of it was allocated before and not deleted since.
        """
        ...

    def highest(self, collection: str) -> int:
        """A number that no version allocated under this name exceeds, in any collection that had the name."""
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
        """Refuse all versions older than ``later`` from now on, because it has the content of ``document``.

        False, and nothing changed, when the lease is lost, or searches see another version.
        """
        ...

    def superseded(self, collection: str, generation: int, version: DocumentVersion) -> bool:
        """Whether this version can never be published again, because of a newer version or a deletion."""
        ...

    def get(self, collection: str, document_id: str) -> Document | None: ...

    def get_both(self, collection: str, document_id: str) -> tuple[Document | None, Collection | None]:
        """What searches see of the document and of the collection at one moment."""
        ...

    def parents(self, collection: str, document_ids: Iterable[str]) -> Mapping[str, str]:
        """Of those documents that were attached to a mail, its id."""
        ...

    def holdings(self, owner: str) -> Holdings:
        """The number and size of the documents of the key with this name, over all collections."""
        ...

    def page(self, collection: str, *, cursor: str | None, limit: int) -> Window[Document]:
        """By document id, ascending."""
        ...

    def delete(self, collection: str, document_id: str, *, up_to: int | None = None) -> Removal | None:
        """Hide the document at once, and refuse versions that were allocated before; None when not there.

        ``up_to``: versions above it stay visible, or will be when they come.
        """
        ...

    def unpurged(self, *, silent_for: float, limit: int) -> list[Removal]:
        """Deletions of more than ``silent_for`` seconds ago that have no job (:meth:`assign_purge`).

        Until they have one, repeating the deletion returns the same removal.
        """
        ...

    def assign_purge(self, removal: Removal) -> None:
        """Note that the job which purges the removal is recorded."""
        ...

    def stale(self, collection: str, versions: Iterable[DocumentVersion]) -> tuple[DocumentVersion, ...]:
        """Those of ``versions`` that searches must not see now."""
        ...
