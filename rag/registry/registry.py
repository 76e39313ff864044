"""``DocumentRegistry`` on Redis. Every method that changes something is one script, so one atomic step."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from redis import Redis
from uuid_utils.compat import uuid7

from rag.errors import Conflict, QuotaExceeded, UnknownCollection
from rag.journal.entries import DOCUMENTS, CollectionEntry, Deletion, document_json
from rag.model import (
    Collection,
    Document,
    DocumentVersion,
    Holdings,
    Layout,
    Lease,
    Removal,
)
from rag.ports import Window
from rag.redis.connection import PREFIX, Call, Scripts, reaching_redis
from rag.registry.replacements import Replacements
from rag.registry.rows import collection_key, collection_of, in_use, place_of, removal_of

_AT_ONCE = 500
"""Documents whose versions one step allocates: some milliseconds in which the server does nothing else."""


class RedisDocumentRegistry(Replacements):
    """Documents in ``client``'s database; ``registry.lua`` lists the keys.

    Versions of a document count from 1. A deletion records the highest version allocated
    by then, and the drop of a collection the highest of all its documents. So an ingestion that
    was under way at that moment can never be published.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client, "registry/registry")

    # --- collections

    def put_collection(
        self, name: str, embedding_model: str, dimension: int, *, most: int | None = None
    ) -> tuple[Collection, bool]:
        bound = "" if most is None else most
        created, row = self._scripts.run(
            "put_collection", [collection_key(name)], name, embedding_model, dimension, bound
        )
        if not row:
            raise QuotaExceeded(
                f"There are {most} collections, as many as may be: delete one, or use one that is there"
            )
        collection = collection_of(row)
        if (collection.embedding_model, collection.dimension) != (embedding_model, dimension):
            raise Conflict(
                f"collection {name!r} holds {collection.dimension} dimensions of "
                f"{collection.embedding_model}; use another collection for {embedding_model} ({dimension})"
            )
        return collection, bool(created)

    def collection(self, name: str) -> Collection | None:
        row = self._scripts.run("collection", [collection_key(name)], name)
        return collection_of(row) if row else None

    def collections_named(self, names: Sequence[str]) -> list[Collection | None]:
        asked = dict.fromkeys(names)
        rows = self._scripts.run_each("collection", (([collection_key(name)], [name]) for name in asked))
        found = {name: collection_of(row) if row else None for name, row in zip(asked, rows, strict=True)}
        return [found[name] for name in names]

    def collections(self) -> tuple[Collection, ...]:
        """By name, ascending."""
        rows = self._scripts.run("collections", [f"{PREFIX}collections"])
        return tuple(sorted(map(collection_of, rows), key=lambda collection: collection.name))

    def drop_collection(self, name: str) -> Removal | None:
        found = self._scripts.run("drop_collection", [collection_key(name)], name, str(uuid7()))
        return removal_of(found) if found else None

    def collection_entry(self, name: str) -> CollectionEntry | None:
        """The journal entry of the newest collection of this name, dropped or not; None for none."""
        row, generation, floor, unpurged, *numbers = self._scripts.run(
            "standing", [collection_key(name)], name
        )
        if row:
            return CollectionEntry.of(collection_of(row), floor, *(int(number or 0) for number in numbers))
        if not generation:
            return None
        return CollectionEntry.gone(name, int(generation), floor, (unpurged or b"").decode())

    # --- layouts

    def begin_layout(self, collection: Collection, layout: Layout, *, after: str = "") -> Collection:
        """Begin ``layout`` with a new number. Raises UnknownCollection and Conflict."""
        asked = layout.embedding_model, layout.dimension, layout.job_id
        answer = self._scripts.run(
            "begin_layout", [collection_key(collection.name)], *_generation(collection), *asked, after
        )
        if answer is None:
            raise UnknownCollection(f"collection {collection.name!r} was deleted")
        begun, found = bool(answer[0]), collection_of(answer[1])
        if not begun and found.second:
            raise Conflict(in_use(found, found.second))
        return found

    def switch_layout(self, collection: Collection, number: int, *, under: Lease | None = None) -> bool:
        keys, job = [collection_key(collection.name)], ("", "")
        if under is not None:
            keys.append(f"{PREFIX}job:{under.job.id}")
            job = (under.job.id, str(under.token))
        return bool(self._scripts.run("switch_layout", keys, *_generation(collection), number, *job))

    def end_layout(self, collection: Collection, number: int) -> bool:
        key = collection_key(collection.name)
        return bool(self._scripts.run("end_layout", [key], *_generation(collection), number))

    # --- documents

    def next_version(self, collection: str, document_id: str) -> int:
        """The allocated version. Raises UnknownCollection."""
        version = self._scripts.run("next_version", [collection_key(collection)], collection, document_id)
        if version is None:
            raise UnknownCollection(f"there is no collection {collection!r}")
        return cast(int, version)

    def next_versions(self, collection: str, document_ids: Sequence[str]) -> list[int]:
        """The allocated versions. Raises UnknownCollection."""
        found: list[int] = []
        for at in range(0, len(document_ids), _AT_ONCE):
            some = document_ids[at : at + _AT_ONCE]
            versions = self._scripts.run("next_versions", [collection_key(collection)], collection, *some)
            if versions is None:
                raise UnknownCollection(f"there is no collection {collection!r}")
            found += versions
        return found

    def sizes_of(self, collection: str, owner: str, document_ids: Sequence[str]) -> dict[str, int]:
        if not document_ids:
            return {}
        with reaching_redis():
            found = self._client.hmget(f"{collection_key(collection)}:owned", list(document_ids))
        owned = zip(document_ids, cast(list[bytes | None], found), strict=True)
        told = ((name, value.decode().partition(" ")) for name, value in owned if value)  # "BYTES OWNER"
        return {name: int(size) for name, (size, _, whose) in told if whose == owner}

    def claim(self, collection: str, document_id: str) -> int | None:
        """The allocated version, None when there is one already. Raises UnknownCollection."""
        version = self._scripts.run("claim", [collection_key(collection)], collection, document_id)
        if version is None:
            raise UnknownCollection(f"there is no collection {collection!r}")
        return cast(int, version) or None

    def highest(self, collection: str) -> int:
        return cast(int, self._scripts.run("highest", [collection_key(collection)], collection))

    def publish(
        self, document: Document, layouts: Iterable[int] = (0,), *, under: Lease | None = None
    ) -> bool:
        """False also when the collection was dropped."""
        keys, args = publication(document, layouts, under)
        return bool(self._scripts.run("publish", keys, *args))

    def confirm(self, document: Document, later: int, *, under: Lease | None = None) -> bool:
        keys, token = _keys(document.collection, under)
        seen = document.collection, document.document_id, document.version, document.generation
        record = document_json(replace(document, confirmed=later))
        return bool(self._scripts.run("confirm", keys, *seen, token, later, record))

    def superseded(self, collection: str, generation: int, version: DocumentVersion) -> bool:
        asked = collection, version.document_id, version.version, generation
        return bool(self._scripts.run("superseded", [collection_key(collection)], *asked))

    def get(self, collection: str, document_id: str) -> Document | None:
        record = self._scripts.run("get", [collection_key(collection)], collection, document_id)
        return DOCUMENTS.validate_json(record) if record else None

    def get_both(self, collection: str, document_id: str) -> tuple[Document | None, Collection | None]:
        record, row = self._scripts.run("get_both", [collection_key(collection)], collection, document_id)
        document = DOCUMENTS.validate_json(record) if record else None
        return document, collection_of(row) if row else None

    def parents(self, collection: str, document_ids: Iterable[str]) -> dict[str, str]:
        asked = list(document_ids)
        if not asked:
            return {}
        with reaching_redis():
            found = self._client.hmget(f"{collection_key(collection)}:records", asked)
        records = (DOCUMENTS.validate_json(record) for record in cast(list[bytes | None], found) if record)
        return {document.document_id: document.parent for document in records if document.parent}

    def holdings(self, owner: str) -> Holdings:
        return Holdings(*self._scripts.run("holdings", [PREFIX], "", owner))

    def page(self, collection: str, *, cursor: str | None, limit: int) -> Window[Document]:
        records = self._scripts.run("page", [collection_key(collection)], collection, cursor or "", limit)
        documents = tuple(map(DOCUMENTS.validate_json, records[:limit]))
        return Window(items=documents, next=documents[-1].document_id if len(records) > limit else None)

    def delete(self, collection: str, document_id: str, *, up_to: int | None = None) -> Removal | None:
        most = "" if up_to is None else up_to
        found = self._scripts.run(
            "delete", [collection_key(collection)], collection, document_id, str(uuid7()), most
        )
        return removal_of(found) if found else None

    def tombstone(self, collection: str, document_id: str) -> Deletion | None:
        """The last deletion of a document; None: there was none."""
        generation, version, unpurged = self._scripts.run(
            "tombstone", [collection_key(collection)], collection, document_id
        )
        if not version:
            return None
        lines = (unpurged or b"").decode()
        return Deletion(collection, int(generation), document_id, int(version), lines)

    def unpurged(self, *, silent_for: float, limit: int) -> list[Removal]:
        return [removal_of(found) for found in self._scripts.run("unpurged", [PREFIX], "", silent_for, limit)]

    def assign_purge(self, removal: Removal) -> None:
        key = collection_key(removal.collection)
        self._scripts.run("assign_purge", [key], removal.collection, place_of(removal), removal.job_id)

    def stale(self, collection: str, versions: Iterable[DocumentVersion]) -> tuple[DocumentVersion, ...]:
        """Those of ``versions`` that are not the live ones, in their order. It is one plain command."""
        asked = tuple(versions)
        if not asked:
            return ()
        key = f"{collection_key(collection)}:live"
        with reaching_redis():
            found = self._client.hmget(key, [version.document_id for version in asked])
        live = cast(list[bytes | None], found)  # "VERSION CHUNKS" each
        return tuple(
            version
            for version, seen in zip(asked, live, strict=True)
            if seen is None or version.version != int(seen.split()[0])
        )


def publication(document: Document, layouts: Iterable[int] | None = None, under: Lease | None = None) -> Call:
    """The arguments of ``publish`` in ``registry.lua``. ``layouts`` None: it was published before."""
    keys, token = _keys(document.collection, under)
    return keys, (
        document.collection,
        document.document_id,
        document.version,
        document.chunks,
        document_json(document),
        document.generation,
        token,
        "" if layouts is None else f",{','.join(map(str, layouts))},",
        document.confirmed,
        document.size,
        document.owner,
    )


def _keys(collection: str, under: Lease | None) -> tuple[list[str], str]:
    """The keys of the collection and of the lease's job, and the lease's token."""
    key = collection_key(collection)
    return ([key], "") if under is None else ([key, f"{PREFIX}job:{under.job.id}"], str(under.token))


def _generation(collection: Collection) -> tuple[str, int]:
    return collection.name, collection.generation
