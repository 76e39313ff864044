"""``DocumentRegistry`` on Redis; every method that changes something is one script, so one step."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import cast

from redis import Redis

from rag.errors import Conflict, UnknownCollection
from rag.model import Collection, Document, DocumentVersion
from rag.ports import Window
from rag.stores.redis import PREFIX, Scripts, reaching_redis


class RedisDocumentRegistry:
    """Documents in ``client``'s database; ``lua/documents/_head.lua`` lists the keys.

    Versions of a document count from 1. A deletion remembers the highest version given out
    by then, and dropping a collection remembers the highest of all its documents, so
    what was on its way at that moment can never be published.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client, "documents")

    # --- collections

    def put_collection(self, name: str, embedding_model: str, dimension: int) -> tuple[Collection, bool]:
        created, row = self._scripts.run("put_collection", [_key(name)], name, embedding_model, dimension)
        collection = _collection(row)
        if (collection.embedding_model, collection.dimension) != (embedding_model, dimension):
            raise Conflict(
                f"collection {name!r} holds {collection.dimension} dimensions of "
                f"{collection.embedding_model}; use another collection for {embedding_model} ({dimension})"
            )
        return collection, bool(created)

    def collection(self, name: str) -> Collection | None:
        row = self._scripts.run("collection", [_key(name)], name)
        return _collection(row) if row else None

    def collections(self) -> tuple[Collection, ...]:
        """By name, ascending."""
        rows = self._scripts.run("collections", [f"{PREFIX}collections"])
        return tuple(sorted(map(_collection, rows), key=lambda collection: collection.name))

    def drop_collection(self, name: str) -> Collection | None:
        row = self._scripts.run("drop_collection", [_key(name)], name)
        return _collection(row) if row else None

    # --- documents

    def next_version(self, collection: str, document_id: str) -> int:
        """The number. Raises UnknownCollection."""
        version = self._scripts.run("next_version", [_key(collection)], collection, document_id)
        if version is None:
            raise UnknownCollection(f"there is no collection {collection!r}")
        return cast(int, version)

    def publish(self, document: Document) -> bool:
        """False also when the collection has gone."""
        return bool(
            self._scripts.run(
                "publish",
                [_key(document.collection)],
                document.collection,
                document.document_id,
                document.version,
                document.chunks,
                json.dumps(asdict(document), allow_nan=False, separators=(",", ":")),
                document.generation,
            )
        )

    def get(self, collection: str, document_id: str) -> Document | None:
        with reaching_redis():
            record = cast(bytes | None, self._client.hget(f"{_key(collection)}:records", document_id))
        return _document(record) if record else None

    def page(self, collection: str, *, cursor: str | None, limit: int) -> Window[Document]:
        records = self._scripts.run("page", [_key(collection)], collection, cursor or "", limit)
        documents = tuple(map(_document, records[:limit]))
        return Window(items=documents, next=documents[-1].document_id if len(records) > limit else None)

    def delete(self, collection: str, document_id: str) -> Document | None:
        record = self._scripts.run("delete", [_key(collection)], collection, document_id)
        return _document(record) if record else None

    def stale(self, collection: str, versions: Iterable[DocumentVersion]) -> tuple[DocumentVersion, ...]:
        """In the order given, by one plain command however many there are."""
        asked = tuple(versions)
        if not asked:
            return ()
        with reaching_redis():
            live = cast(
                list[bytes | None],
                self._client.hmget(f"{_key(collection)}:live", [version.document_id for version in asked]),
            )
        return tuple(v for v, seen in zip(asked, live, strict=True) if v.version != _version(seen))


def _key(collection: str) -> str:
    return f"{PREFIX}collection:{collection}"


def _version(seen: bytes | None) -> int | None:
    """``seen``: "version chunks"."""
    return int(seen.split()[0]) if seen else None


def _document(record: bytes) -> Document:
    return Document(**json.loads(record))


def _collection(row: Sequence[bytes | int]) -> Collection:
    name, generation, model, dimension, created_at, chunks, documents = row
    return Collection(
        name=cast(bytes, name).decode(),
        generation=int(generation),
        embedding_model=cast(bytes, model).decode(),
        dimension=int(dimension),
        created_at=float(created_at),
        documents=int(documents),
        chunks=int(chunks),
    )
