"""``DocumentRegistry`` on Redis whose documents and collections survive the loss of Redis' data."""

from collections.abc import Iterable

from redis import Redis

from rag.journal.journal import Journal
from rag.model import Collection, Document, Layout, Lease, Removal, Replacement, Reservation
from rag.registry.registry import RedisDocumentRegistry
from rag.registry.replacements import batches


class DurableDocumentRegistry(RedisDocumentRegistry):
    """The registry, mirrored in ``journal``: once a method returns, its change is in both.

    Redis is written first, since it decides. A call fails as Unavailable when the journal cannot be
    written; the same call again writes what is missing.
    """

    def __init__(self, client: Redis, journal: Journal) -> None:
        super().__init__(client)
        self._journal = journal
        self._mirrored: set[tuple[str, int]] = set()

    def put_collection(
        self, name: str, embedding_model: str, dimension: int, *, most: int | None = None
    ) -> tuple[Collection, bool]:
        # every process mirrors it once, since the one that made it may have died before it did
        collection, new = super().put_collection(name, embedding_model, dimension, most=most)
        if (name, collection.generation) not in self._mirrored:
            self._mirror(name)
            self._mirrored.add((name, collection.generation))
        return collection, new

    def drop_collection(self, name: str) -> Removal | None:
        dropped = super().drop_collection(name)
        self._mirror(name)
        return dropped

    def begin_layout(self, collection: Collection, layout: Layout, *, after: str = "") -> Collection:
        begun = super().begin_layout(collection, layout, after=after)
        self._mirror(collection.name)
        return begun

    def switch_layout(self, collection: Collection, number: int, *, under: Lease | None = None) -> bool:
        switched = super().switch_layout(collection, number, under=under)
        self._mirror(collection.name)
        return switched

    def end_layout(self, collection: Collection, number: int) -> bool:
        ended = super().end_layout(collection, number)
        self._mirror(collection.name)
        return ended

    def publish(
        self, document: Document, layouts: Iterable[int] = (0,), *, under: Lease | None = None
    ) -> bool:
        published = super().publish(document, layouts, under=under)
        if published:
            # A first version replaces nothing. Until its job's end is durable, and so its entry before that,
            # the job would be done again.
            self._journal.put_document(document, wait=document.version > 1)
        return published

    def confirm(self, document: Document, later: int, *, under: Lease | None = None) -> bool:
        # an entry is replaced as a whole, so the last confirmation must be the one that is written
        confirmed = super().confirm(document, later, under=under)
        entry = self.get(document.collection, document.document_id) if confirmed else None
        while entry is not None and entry.version == document.version:
            self._journal.put_document(entry)
            before, entry = entry, self.get(document.collection, document.document_id)
            if entry == before:
                break
        return confirmed

    def delete(self, collection: str, document_id: str, *, up_to: int | None = None) -> Removal | None:
        removal = super().delete(collection, document_id, up_to=up_to)
        if tombstone := self.tombstone(collection, document_id):
            self._journal.put_document(tombstone)
            # a rebuild may have restored the document from its old entry in the meantime
            again = super().delete(collection, document_id, up_to=up_to)
            removal = again or removal
        return removal

    def stage(self, reservation: Reservation, documents: Iterable[Document], *, afresh: bool = False) -> None:
        # A rebuild ignores these entries: they belong to a generation that no collection has yet.
        if afresh:
            self._journal.forget_documents(reservation.collection, reservation.generation)
            super().stage(reservation, (), afresh=True)
        for batch in batches(documents):
            self._journal.put_documents(batch)
            super().stage(reservation, batch)

    def replace(self, replacement: Replacement, *, under: Lease) -> bool:
        replaced = super().replace(replacement, under=under)
        self._mirror(replacement.reservation.collection)
        return replaced

    def _mirror(self, name: str) -> None:
        """Write the collection's entry, and again as long as it changes in the meantime."""
        entry = self.collection_entry(name)
        while entry is not None:
            self._journal.put_collection(entry)
            before, entry = entry, self.collection_entry(name)
            if entry == before:
                return
