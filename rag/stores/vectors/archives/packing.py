"""A collection's folder as the streams of a snapshot, and back.

Every large file of the shard is a stream of its own, so that one which has not changed is the same
stream again; the small ones, of which there are hundreds, are one stream together. Token vectors
have streams of rows.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from rag.errors import DamagedBackup, ErrorTable, NotFound, Unavailable, translated
from rag.stores.vectors.archives import tokenrows
from rag.stores.vectors.archives.archive import Archive, data_extents, extract
from rag.stores.vectors.archives.incoming import Incoming
from rag.stores.vectors.folders import CollectionFolder
from rag.stores.vectors.tokens import TokenVectors

_LARGE = 1024 * 1024
_COARSE, _FINE = 4 * 1024 * 1024, 16 * 1024
_REST = "rest"
_TOKENS = "tokens/"
_ERRORS: ErrorTable = {
    tarfile.TarError: DamagedBackup,
    UnicodeDecodeError: DamagedBackup,
    OSError: Unavailable,
}


def packed(folder: CollectionFolder) -> dict[str, int]:
    """The streams of a collection at rest, by path: how many bytes each has."""
    archives = {path: archive.size for path, archive in _archives(folder).items()}
    if folder.spec.token_dimension is None:
        return archives
    rows = tokenrows.streams(folder.tokens)
    return archives | {f"{_TOKENS}{number:08}": size for number, size in rows.items()}


def read(folder: CollectionFolder, path: str, start: int) -> Iterator[bytes]:
    """A stream from byte ``start`` on. NotFound."""
    if path.startswith(_TOKENS):
        yield from tokenrows.read(folder.tokens, int(path.removeprefix(_TOKENS)), start)
    elif archive := _archives(folder).get(path):
        yield from archive.read(start)
    else:
        raise NotFound(f"the copy of {folder.name} has no {path}")


def unpack(files: Incoming, folder: CollectionFolder) -> None:
    """Write what :func:`read` gave into the empty folder of a collection. DamagedBackup, Unavailable."""
    with translated(_ERRORS, f"loading {folder.name}"):
        for file, stream in files:
            if file.path.startswith(_TOKENS):
                _restore(folder, tokenrows.rows(stream))
            else:
                extract(stream, folder.path)


def _restore(folder: CollectionFolder, rows: Iterator[tokenrows.Row]) -> None:
    if folder.spec.token_dimension is None:
        raise DamagedBackup(f"there are token vectors of {folder.name}, which is to have none")
    tokens = TokenVectors(folder.tokens, folder.spec.token_dimension)
    try:
        tokens.restore(rows)
    finally:
        tokens.close()


def _archives(folder: CollectionFolder) -> dict[str, Archive]:
    large, small = list[Path](), list[Path]()
    for path in folder.shard.rglob("*"):
        (large if _is_large(path) else small).append(path)
    archives = {
        path.relative_to(folder.path).as_posix(): Archive(folder.path, [path], _COARSE) for path in large
    }
    return archives | {_REST: Archive(folder.path, small, _FINE)}


def _is_large(path: Path) -> bool:
    return path.is_file() and sum(length for _, length in data_extents(path, _FINE)) >= _LARGE
