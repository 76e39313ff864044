"""Names that callers choose, and identifiers made from them."""

import re
from uuid import UUID, uuid5

_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z")
_NAMESPACE = UUID("6f9bd0c3-3d5f-5c0e-9d5e-0a7a3c1f4e11")
MAX_DOCUMENT_ID = 256


def checked_collection_name(name: str) -> str:
    """``name`` when it may name a collection, else ValueError."""
    if not _COLLECTION.match(name):
        raise ValueError(
            "a collection name has 1 to 63 letters, digits, '-' and '_', and begins with a letter or digit"
        )
    return name


def generation_name(collection: str, generation: int) -> str:
    """One generation of a collection, in names of folders and of stores."""
    return f"{collection}-{generation}"


def store_name(collection: str, generation: int, layout: int) -> str:
    """Where a vector store keeps one layout of one generation."""
    name = generation_name(collection, generation)
    return f"{name}.{layout}" if layout else name


def is_store_of(store: str, collection: str, generation: int) -> bool:
    """Whether ``store`` is that of any layout of this generation."""
    name, _, number = store.partition(".")
    return name == generation_name(collection, generation) and (not number or number.isdecimal())


def checked_document_id(document_id: str) -> str:
    """``document_id`` when it may name a document, else ValueError."""
    if not 0 < len(document_id) <= MAX_DOCUMENT_ID or not document_id.isprintable():
        raise ValueError(f"a document_id has 1 to {MAX_DOCUMENT_ID} printable characters")
    return document_id


def document_id_of(source: str) -> str:
    """The id of a document that came without one, from its content's digest or its URL."""
    return str(uuid5(_NAMESPACE, source))


def point_id(collection: str, document_id: str, version: int, index: int) -> str:
    """The same chunk of the same version always has the same id, so writing twice is harmless."""
    return str(uuid5(_NAMESPACE, "\x1f".join((collection, document_id, str(version), str(index)))))
