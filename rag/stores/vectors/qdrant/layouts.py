"""What this process knows of the collections on the server, and how they come about."""

from collections.abc import Iterable

from qdrant_client import QdrantClient, models

from rag.errors import Conflict, UnknownCollection
from rag.model import CollectionSpec
from rag.settings import Settings
from rag.stores.vectors.qdrant.layout import Layout, is_ours, layout_of, mark_of
from rag.stores.vectors.qdrant.nodes import Nodes
from rag.stores.vectors.qdrant.shape import INDEXES, creation


class Layouts:
    """Layouts by collection, read once and again where something is missing."""

    def __init__(self, nodes: Nodes, settings: Settings, patience: float) -> None:
        self._nodes = nodes
        self._settings = settings
        self._patience = patience
        self._known: dict[str, Layout] = {}

    def of(self, collection: str, patience: float | None = None) -> Layout:
        """Raises UnknownCollection, Conflict for a collection that is not ours.

        ``patience``: seconds, unset those of a write.
        """
        return self._known.get(collection) or self.read(collection, patience)

    def read(self, collection: str, patience: float | None = None) -> Layout:
        """As :meth:`of`, from the server."""
        self.forget(collection)
        seconds = self._patience if patience is None else patience
        info = self._nodes.call(lambda client: client.get_collection(collection), seconds)
        layout = self._known[collection] = layout_of(collection, info)
        return layout

    def find(self, collection: str) -> models.CollectionInfo | None:
        """The collection of this very name, which an alias is not; None without. Conflict as in :meth:`of`.

        One that was not yet made ours after it came out of another's snapshot counts too.
        """

        def look(client: QdrantClient) -> models.CollectionInfo | None:
            names = {one.name for one in client.get_collections().collections}
            return client.get_collection(collection) if collection in names else None

        info = self._nodes.call(look, self._patience)
        if info is not None:
            mark_of(collection, info)
        return info

    def forget(self, collection: str) -> None:
        self._known.pop(collection, None)

    def names(self) -> tuple[str, ...]:
        """Of our collections on the server."""
        names = self._nodes.call(lambda client: client.get_collections().collections, self._patience)
        return tuple(sorted(one.name for one in names if self._is_ours(one.name)))

    def create(self, collection: str, spec: CollectionSpec) -> None:
        """Nothing where another worker was quicker. An alias of this name gives way."""
        arguments = creation(self._settings, collection, spec)
        unnamed = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=collection))
        self._nodes.call(lambda client: client.update_collection_aliases([unnamed]), self._patience)
        try:
            self._nodes.call(lambda client: client.create_collection(collection, **arguments), self._patience)
        except Conflict:
            self.read(collection)  # somebody else's stays a Conflict

    def complete(self, collection: str) -> None:
        """Make the indexes that every collection has, where a worker ended before it did."""
        for field, schema in INDEXES.items():
            if field not in self.of(collection).indexed:
                self._index(collection, field, schema)
        self.read(collection)

    def cover(self, collection: str, fields: Iterable[str]) -> None:
        """Index these fields for ranges, as far as there is room."""
        missing = [field for field in fields if field not in self.of(collection).indexed]
        for field in missing:
            layout = self.read(collection)
            if field not in layout.indexed and not layout.full:
                self._index(collection, field, models.PayloadSchemaType.FLOAT)
        if missing:
            self.read(collection)

    def _is_ours(self, collection: str) -> bool:
        try:
            return is_ours(self._nodes.call(lambda client: client.get_collection(collection), self._patience))
        except UnknownCollection:  # dropped a moment ago
            return False

    def _index(
        self, collection: str, field: str, schema: models.PayloadSchemaType | models.KeywordIndexParams
    ) -> None:
        self._nodes.call(
            lambda client: client.create_payload_index(collection, field, schema, wait=True), self._patience
        )
