"""Points of one version of a document as a blob: never changed, so a backup stores it once.

Format 1, numbers little-endian:

    magic "AEGP" · format (u16) · token dimension (u16, 0: none) · points (u32) · CRC-32 of all that follows

Then each point as :func:`rag.backups.digest.content_of` has it: five fields, each with its length in 8 bytes,
big-endian, before it.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import fields
from zlib import crc32

import numpy as np

from rag.backups.digest import content_of
from rag.errors import BackupError, DamagedBackup
from rag.model import Passage, Point, SparseVector

FORMAT = 1
MOST_BYTES = 512 << 20
"""Of a blob. A longer one was not written by this service, and is not read."""

_MAGIC = b"AEGP"
_HEAD = struct.Struct("<4sHHII")
_LENGTH, _FIELDS = 8, 5
_PASSAGE = tuple(each.name for each in fields(Passage))
_FEWEST = _PASSAGE.index("confidence")


def packed(points: Sequence[Point], token_dimension: int | None) -> bytes:
    """The blob. ``token_dimension``: of the points that have token vectors."""
    body = b"".join(content_of(point, sort_keys=False) for point in points)
    return _HEAD.pack(_MAGIC, FORMAT, token_dimension or 0, len(points), crc32(body)) + body


def unpacked(blob: bytes) -> list[Point]:
    """The points. DamagedBackup for what is no such blob; BackupError for one of a later format."""
    try:
        magic, version, width, count, checksum = _HEAD.unpack_from(blob)
        body = memoryview(blob)[_HEAD.size :]
        whole = magic == _MAGIC and len(blob) <= MOST_BYTES and crc32(body) == checksum
        points = list(_points(body, width)) if whole and version == FORMAT else []
    except (ValueError, TypeError, RecursionError, struct.error) as error:
        raise DamagedBackup(f"points of a document cannot be read: {error}") from error
    if whole and version > FORMAT:
        raise BackupError(
            f"points have format {version}, and this version of Aegis reads format {FORMAT}: "
            "use the version that made the backup, or a later one"
        )
    if not whole or len(points) != count:
        raise DamagedBackup("points of a document are damaged: they are not what their checksum says")
    return points


def _points(body: memoryview, width: int) -> Iterator[Point]:
    """The inverse of ``content_of``. ValueError, TypeError where the body is none, or is cut short."""
    at = 0
    while at < len(body):
        parts = list[memoryview]()
        for _ in range(_FIELDS):
            length, start = int.from_bytes(body[at : at + _LENGTH]), at + _LENGTH
            at = start + length
            if at > len(body):
                raise ValueError("it ends inside of a point")
            parts.append(body[start:at])
        passage, dense, indices, values, tokens = parts
        told = json.loads(bytes(passage))
        # The last fields are left out where they say nothing.
        fields_of = dict(zip(_PASSAGE[: max(len(told), _FEWEST)], told, strict=True))
        yield Point(
            passage=Passage(**{**fields_of, "headings": tuple(fields_of["headings"])}),
            dense=np.frombuffer(dense, "<f4"),
            sparse=SparseVector(np.frombuffer(indices, "<u4"), np.frombuffer(values, "<f4")),
            tokens=np.frombuffer(tokens, "<f2").reshape(-1, width) if len(tokens) else None,
        )
