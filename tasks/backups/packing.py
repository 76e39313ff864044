"""Sources and texts as portions of a backup: packed together, and read once, since no blob ever changes.

What the newest backup has already is taken over from there with its pack.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from heapq import merge
from itertools import accumulate, chain, islice

from rag.backups.contents import BLOBS, Line, SavedBlob, blob_line, cut, saved_blob
from rag.backups.packs import kept
from rag.errors import NotFound
from rag.naming import DOCUMENT_FOLDERS
from tasks.backups.earlier import EarlierBackup
from tasks.backups.progress import Mark, Piece, load_rows, save_rows
from tasks.stages.run import StageRun

FOLDERS = DOCUMENT_FOLDERS
"""The journal is saved as records, and their work is what jobs make anew when they are begun again."""

_UNPACKED, _KEPT = "blobs-unpacked", "blobs-kept"
_READERS = 8
_LINES_BYTES = 500  # of a document


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A blob that is to be packed, of ``size`` bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class BlobPlan:
    """Leaves which blobs stay in the packs of the newest backup, and which are to be packed."""

    run: StageRun
    earlier: EarlierBackup
    part_bytes: int

    name = "blobs/plan"
    size = 0

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        if mark.at:
            return
        tools = self.run.tools
        sizes = {key: size for folder in FOLDERS for key, size in tools.blobs.sizes(folder).items()}
        if tools.settings.backup_sources == "referenced":
            there = tuple(map(SavedBlob, sorted(sizes)))
        else:
            there = kept(self.earlier.blobs(), sizes.keys(), self.part_bytes)
        save_rows(self.run, _KEPT, (blob_line(blob) for blob in there))
        unpacked = sorted(sizes.keys() - {blob.key for blob in there})
        rows = (json.dumps([key, sizes[key]]).encode() + b"\n" for key in unpacked)
        save_rows(self.run, _UNPACKED, rows)
        packs = {blob.stream for blob in there if blob.stream}
        carried = tuple(self.earlier.packs[pack] for pack in sorted(packs))
        yield Piece(Mark("planned"), carried=carried)


@dataclass(frozen=True, slots=True)
class Packs:
    """The blobs that are to be packed, about a part full of them at a time."""

    run: StageRun
    size: int
    part_bytes: int

    name = "blobs/packs"

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        unpacked = [Unpacked(*json.loads(line)) for line in load_rows(self.run, _UNPACKED)]
        at, number = int(mark.at or 0), mark.note.get("packs", 0)
        while at < len(unpacked):
            stream = f"{BLOBS}/{self.run.job.id}-{number}"
            found, data, at = self._pack(stream, unpacked, at)
            save_rows(self.run, _packed(number), map(blob_line, found))
            number += 1
            yield Piece(Mark(str(at), {"packs": number}), stream, data)

    def _pack(self, stream: str, unpacked: Sequence[Unpacked], at: int) -> tuple[list[SavedBlob], bytes, int]:
        """What is in the next pack, its bytes, and how far that goes in ``unpacked``."""
        found: list[SavedBlob] = []
        data = bytearray()
        with ThreadPoolExecutor(_READERS) as pool:
            while at < len(unpacked) and len(data) < self.part_bytes:
                keys = self._next(unpacked, at)
                for key, blob in zip(keys, pool.map(self._found, keys), strict=True):
                    if blob is not None:
                        found.append(SavedBlob(key, len(blob), sha256(blob).hexdigest(), stream, len(data)))
                        data += blob
                at += len(keys)
        return found, bytes(data), at

    def _next(self, unpacked: Sequence[Unpacked], at: int) -> list[str]:
        """Keys of blobs to read at once: no more than a part together, unless one alone is larger."""
        some = unpacked[at : at + _READERS]
        room = accumulate(blob.size for blob in some)
        fit = sum(total <= self.part_bytes for total in room)
        return [blob.key for blob in some[: max(1, fit)]]

    def _found(self, key: str) -> bytes | None:
        try:
            return self.run.tools.blobs.get(key)
        except NotFound:
            return None  # removed since it was listed


@dataclass(frozen=True, slots=True)
class BlobIndex:
    """Where each blob is; ``packs``: how many were made, ``documents``: how many have blobs."""

    run: StageRun
    packs: int
    documents: int
    piece_bytes: int

    name = BLOBS

    @property
    def size(self) -> int:
        return self.documents * _LINES_BYTES

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        done = mark.note.get("lines", 0)
        rows = (Line(saved_blob(row).key, row) for row in islice(self._rows(), done, None))
        for data, last in cut(rows, self.piece_bytes):
            done += data.count(b"\n")
            yield Piece(Mark(last, {"lines": done}), BLOBS, data)

    def _rows(self) -> Iterator[bytes]:
        """By key, as both were left: each line begins with it."""
        packed = (load_rows(self.run, _packed(number)) for number in range(self.packs))
        rows = merge(load_rows(self.run, _KEPT), chain.from_iterable(packed))
        return (row + b"\n" for row in rows)


def _packed(number: int) -> str:
    return f"blobs-packed-{number:06}"
