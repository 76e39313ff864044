"""Files as one stream of bytes: a tar archive without the holes, the same bytes whenever the files are.

The format is pax with GNU's sparse members, version 1.0 (GNU tar manual, "PAX Format, Version 1.0"),
which ``tar`` and :mod:`tarfile` read. Nothing of it is ever on disk: a stream can be read from any byte on.
"""

import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from rag.stores.vectors.copying import sparse
from rag.stores.vectors.folders import sync

_BLOCK = tarfile.BLOCKSIZE
_READ = 1024 * 1024

_Extents: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Bytes:
    data: bytes

    @property
    def length(self) -> int:
        return len(self.data)

    def read(self, start: int) -> Iterator[bytes]:
        yield self.data[start:]


@dataclass(frozen=True, slots=True)
class _Extent:
    path: Path
    offset: int
    length: int

    def read(self, start: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.offset + start)
            left = self.length - start
            while left and (data := file.read(min(_READ, left))):
                left -= len(data)
                yield data


_Piece: TypeAlias = _Bytes | _Extent


class Archive:
    """Of ``members``, folders among them, paths beneath ``root``.

    A file's header and map tell how much is in it, in grains of ``grain`` bytes; so a larger one leaves
    the begin of the stream as it is for longer, while the file grows.
    """

    def __init__(self, root: Path, members: Iterable[Path], grain: int) -> None:
        pieces = [piece for path in sorted(members) for piece in _member(path, path.relative_to(root), grain)]
        self._pieces = [*pieces, _Bytes(bytes(2 * _BLOCK))]

    @property
    def size(self) -> int:
        return sum(piece.length for piece in self._pieces)

    def read(self, start: int) -> Iterator[bytes]:
        """From byte ``start`` on."""
        for piece in self._pieces:
            if start < piece.length:
                yield from piece.read(start)
            start = max(0, start - piece.length)


def data_extents(path: Path, grain: int) -> _Extents:
    """Offset and length of what is in a file beside holes, in whole grains but for its end."""
    merged: list[tuple[int, int]] = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for offset, length in sparse.extents(file.fileno()):
            start, end = offset - offset % grain, min(size, offset + length + -(offset + length) % grain)
            if merged and start <= sum(merged[-1]):
                start = merged.pop()[0]
            merged.append((start, end - start))
    return tuple(merged)


def extract(stream: BinaryIO, folder: Path) -> None:
    """Write the members of an archive beneath ``folder``, each durably; none that leads elsewhere."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            inside = tarfile.data_filter(member, str(folder))
            archive.extract(inside, folder, filter="data")
            if inside.isfile():
                sync(folder / inside.name)


def _member(path: Path, name: Path, grain: int) -> list[_Piece]:
    info = tarfile.TarInfo(name.as_posix())
    if path.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o700
        return [_header(info)]
    size, extents = path.stat().st_size, data_extents(path, grain)
    info.mode = 0o600
    info.size = size
    data: list[_Piece] = [_Extent(path, offset, length) for offset, length in extents]
    if sum(length for _, length in extents) == size:
        return [_header(info), *data, _padding(size)]
    return _sparse_member(info, extents, data)


def _sparse_member(info: tarfile.TarInfo, extents: _Extents, data: list[_Piece]) -> list[_Piece]:
    """The map of the data first, in decimal lines, then the data."""
    entries = [*extents, (info.size, 0)]
    numbers = [len(entries), *(number for entry in entries for number in entry)]
    table = "".join(f"{number}\n" for number in numbers).encode()
    table += bytes(-len(table) % _BLOCK)
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": info.name,
        "GNU.sparse.realsize": str(info.size),
    }
    stored = sum(length for _, length in extents)
    info.size = len(table) + stored
    return [_header(info), _Bytes(table), *data, _padding(stored)]


def _header(info: tarfile.TarInfo) -> _Bytes:
    return _Bytes(info.tobuf(tarfile.PAX_FORMAT))


def _padding(size: int) -> _Bytes:
    return _Bytes(bytes(-size % _BLOCK))
