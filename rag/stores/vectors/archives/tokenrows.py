"""Token vectors of a collection as streams of bytes, of 512 rows of their table at most each.

In the database's own file the pages of its indexes lie everywhere between the vectors, and a few
points more change most of them. Rows keep their number and their place in a stream, so that
everything but the newest rows is in the next backup as it was in the last.

A row is its number, the point's id, the version, and the lengths of what follows: document id
(UTF-8) and vectors (float16, little-endian); numbers are big-endian.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from struct import Struct
from typing import BinaryIO, TypeAlias

from rag.errors import DamagedBackup, ErrorTable, Unavailable, translated

Row: TypeAlias = tuple[int, bytes, str, int, bytes]
"""Number, id, document id, version, vectors."""

_ROWS = 512
_HEAD = Struct(">q16sqII")
_READ = 1024 * 1024
_ERRORS: ErrorTable = {sqlite3.Error: Unavailable}


def streams(database: Path) -> dict[int, int]:
    """Sizes of the streams of a database that nobody writes to, by number."""
    sizes = (
        "SELECT rowid / ?1, sum(?2 + length(CAST(document_id AS BLOB)) + length(tokens))"
        " FROM vectors GROUP BY rowid / ?1"
    )
    with _opened(database) as connection:
        return dict(connection.execute(sizes, (_ROWS, _HEAD.size)))


def read(database: Path, number: int, start: int) -> Iterator[bytes]:
    """A stream from byte ``start`` on."""
    wanted = (
        "SELECT rowid, id, document_id, version, tokens FROM vectors WHERE rowid BETWEEN ? AND ? ORDER BY 1"
    )
    gathered = bytearray()
    with _opened(database) as connection:
        for row in connection.execute(wanted, (number * _ROWS, (number + 1) * _ROWS - 1)):
            gathered += _packed(row)
            skipped = min(start, len(gathered))
            start -= skipped
            del gathered[:skipped]
            if len(gathered) >= _READ:
                yield bytes(gathered)
                gathered.clear()
    if gathered:
        yield bytes(gathered)


def rows(stream: BinaryIO) -> Iterator[Row]:
    """The inverse of :func:`read`. DamagedBackup."""
    while head := stream.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise DamagedBackup("a stream of token vectors ends inside a row")
        number, point, version, name, vectors = _HEAD.unpack(head)
        yield number, point, _exactly(stream, name).decode(), version, _exactly(stream, vectors)


def _packed(row: Row) -> bytes:
    number, point, document_id, version, vectors = row
    name = document_id.encode()
    return _HEAD.pack(number, point, version, len(name), len(vectors)) + name + vectors


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise DamagedBackup("a stream of token vectors ends inside a row")
    return data


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    """``immutable``, as the copy has none of the files beside it that SQLite looks for."""
    address = f"{database.resolve().as_uri()}?immutable=1"
    with (
        translated(_ERRORS, "token vectors"),
        closing(sqlite3.connect(address, uri=True)) as connection,
    ):
        yield connection
