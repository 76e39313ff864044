"""Checks the names that callers choose, and makes names and identifiers from them."""

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7


def new_id() -> str:
    """An id for a job. It contains the time at which it was made, so ids sort by age."""
    return str(uuid7())


_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z")
_NAMESPACE = UUID("6f9bd0c3-3d5f-5c0e-9d5e-0a7a3c1f4e11")
_SCRATCH = "scratch"
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNSEEN = re.compile("[\u00ad\u200b\u2060-\u2069\u202a-\u202e\ufeff]")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
_NO_NAMES = ("", ".", "..")
_MARK = 8  # hex digits
MAX_DOCUMENT_ID = 256
DOCUMENT_FOLDERS = ("sources", "texts", "chunks")
"""Folders of the blob store: the files that were sent, their texts, and where passages stand in these."""


def checked_collection_name(name: str) -> str:
    """``name`` when it may name a collection, else ValueError."""
    if not _COLLECTION.match(name):
        raise ValueError(
            "a collection name has 1 to 63 letters, digits, '-' and '_', and begins with a letter or digit"
        )
    return name


def plain_name(name: str) -> str:
    """A title, heading or file name from outside in one line, for tables and logs.

    Removed are control characters, which a terminal obeys, overrides of direction, and invisible characters.
    Joiners stay, since some scripts and emoji need them.
    """
    return " ".join(_CONTROLS.sub(" ", _UNSEEN.sub("", name)).split())


def generation_name(collection: str, generation: int) -> str:
    """The name of one generation of a collection, in folders and stores."""
    return f"{collection}-{generation}"


def store_name(collection: str, generation: int, layout: int) -> str:
    """The name under which a vector store keeps one layout of a generation."""
    name = generation_name(collection, generation)
    return f"{name}.{layout}" if layout else name


def is_store_of(store: str, collection: str, generation: int) -> bool:
    """Whether ``store`` names any layout of this generation."""
    name, _, number = store.partition(".")
    return name == generation_name(collection, generation) and (not number or number.isdecimal())


def generation_of(store: str, collection: str) -> int | None:
    """The generation of the collection that ``store`` belongs to, or None."""
    name, _, _ = store.partition(".")
    number = name.removeprefix(f"{collection}-")
    generation = int(number) if number.isdecimal() else None
    return generation if generation is not None and is_store_of(store, collection, generation) else None


def scratch_name(job_id: str, number: int) -> str:
    """The name of a store for a job's trial, which no collection has."""
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
    if not document_id.strip() or not {".", ".."}.isdisjoint(document_id.split("/")):
        raise ValueError("a document_id is not blank, and no part of it between slashes is . or ..")
    return document_id


def document_id_of_file(path: str) -> str:
    """The id of a document that came as a file: its name, or its path in the folder that was sent.

    ``path`` comes from any system: / and \\ separate its parts. Of an absolute path only the name counts,
    since the folders of the sender's machine are private. Equal paths have equal ids, and different paths
    have different ids. "" where nothing is left.
    """
    whole = normalize("NFC", path).replace("\\", "/")
    names = [name for name in whole.split("/") if name not in _NO_NAMES]
    if _ABSOLUTE.match(whole):
        names = names[-1:]
    return _document_id_of_path("/".join(names))


def document_id_of_names(names: Iterable[str], *, composed: bool = True) -> str:
    """The id of a file in this machine's file system, whose ``names`` are those of its folders and its own.

    Unlike :func:`document_id_of_file` it takes every name that a file system can hold. ``composed``: equal
    letters are one, however their accents are encoded; else what is not ASCII is percent-encoded.
    """
    path = "/".join(names)
    return _document_id_of_path(
        normalize("NFC", path) if composed else _percent_encoded(path, not_ascii=True)
    )


def _document_id_of_path(path: str) -> str:
    """``path``, percent-encoded where it is no id, and cut behind its digest where it is too long."""
    shown = path if _is_plain(path) else _percent_encoded(path)
    if len(shown) <= MAX_DOCUMENT_ID:
        return shown
    return f"{_mark(path)}~{shown[-(MAX_DOCUMENT_ID - _MARK - 1) :]}"


def _is_plain(path: str) -> bool:
    """Whether the path can be its own id. One that could be the encoded form of another path cannot."""
    if not path.isprintable() or "\\" in path or path.isspace():
        return False
    decoded = unquote(path, errors="surrogateescape")
    return decoded == path or _percent_encoded(decoded) != path


def _percent_encoded(path: str, *, not_ascii: bool = False) -> str:
    """``path`` with what no id can hold, and %, as RFC 3986 encodes it, in UTF-8 or the bytes of its name."""
    blank = path.isspace()

    def shown(character: str) -> str:
        kept = character.isprintable() and character not in "%\\" and not blank
        if kept and (character.isascii() or not not_ascii):
            return character
        is_byte = "\udc80" <= character <= "\udcff"  # of a name that is no UTF-8 (PEP 383)
        encoded = character.encode(errors="surrogateescape" if is_byte else "surrogatepass")
        return "".join(f"%{byte:02X}" for byte in encoded)

    return "".join(map(shown, path))


def second_document_id(document_id: str, content: str) -> str:
    """Another id for a document whose ``document_id`` is taken, made from ``content``, its digest.

    ``guides/report.pdf`` becomes ``guides/report~1a2b3c4d.pdf``.
    """
    suffix = PurePosixPath(document_id).suffix
    stem = document_id.removesuffix(suffix) if suffix else document_id
    mark = f"~{_mark(content)}{suffix[: MAX_DOCUMENT_ID // 2]}"
    return stem[: MAX_DOCUMENT_ID - len(mark)] + mark


def _mark(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:_MARK]


def document_id_of(source: str) -> str:
    """The id of a document that came without one, made from its content's digest or its URL."""
    return str(uuid5(_NAMESPACE, source))


def chunks_key(text_key: str) -> str:
    """The blob that says where the passages of a text stand; it is written and deleted with the text's."""
    return f"chunks/{text_key.partition('/')[2]}"


def point_id(collection: str, document_id: str, version: int, index: int) -> str:
    """The id of a chunk's point. It is the same each time, so writing a chunk twice is harmless."""
    return str(uuid5(_NAMESPACE, "\x1f".join((collection, document_id, str(version), str(index)))))


def release() -> str:
    """The version of the installed distribution; "unknown" in a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and rarely needed

    try:
        return version("aegis-rag")
    except PackageNotFoundError:
        return "unknown"
