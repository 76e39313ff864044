"""Names that callers choose, and identifiers made from them."""

import re
from uuid import UUID, uuid5

_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z")
_NAMESPACE = UUID("6f9bd0c3-3d5f-5c0e-9d5e-0a7a3c1f4e11")
_SCRATCH = "scratch"
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNSEEN = re.compile("[\u00ad\u200b\u2060-\u2069\u202a-\u202e\ufeff]")
MAX_DOCUMENT_ID = 256


def checked_collection_name(name: str) -> str:
    """``name`` when it may name a collection, else ValueError."""
    if not _COLLECTION.match(name):
        raise ValueError(
            "a collection name has 1 to 63 letters, digits, '-' and '_', and begins with a letter or digit"
        )
    return name


def plain_name(name: str) -> str:
    """A title, heading or file name from outside, for tables and logs.

    Without control characters, which a terminal obeys, overrides of direction, and what nobody sees;
    joiners stay, which some scripts and emoji need.
    """
    return " ".join(_CONTROLS.sub(" ", _UNSEEN.sub("", name)).split())


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


def generation_of(store: str, collection: str) -> int | None:
    """Which generation of the collection ``store`` belongs to; None when to none."""
    name, _, _ = store.partition(".")
    number = name.removeprefix(f"{collection}-")
    generation = int(number) if number.isdecimal() else None
    return generation if generation is not None and is_store_of(store, collection, generation) else None


def scratch_name(job_id: str, number: int) -> str:
    """A store that no collection has, for a job to try something in."""
    return f"{_SCRATCH}.{job_id}.{number}"


def scratch_job(store: str) -> str | None:
    """The job that made a scratch store; None for any other."""
    first, _, rest = store.partition(".")
    job_id, _, _ = rest.rpartition(".")
    return job_id if first == _SCRATCH and job_id else None


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
