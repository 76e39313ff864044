"""Sources and texts as portions of a backup: packed together, and read once, since no blob ever changes.

Blobs that the newest backup has already stay in its packs, which this backup takes over.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from heapq import merge
from itertools import accumulate, chain, islice

from rag.backups.contents import BLOBS, Line, SavedBlob, blob_line, cut, saved_blob
from rag.backups.packs import reusable_blobs
from rag.errors import NotFound
from rag.naming import DOCUMENT_FOLDERS
from tasks.backups.earlier import EarlierBackup
from tasks.backups.progress import Mark, Piece, load_rows, save_rows
from tasks.stages.run import StageRun

FOLDERS = DOCUMENT_FOLDERS
"""Not the journal, which is saved as records, nor interim results, which jobs make again."""

_UNPACKED, _KEPT = "blobs-unpacked", "blobs-kept"
_READERS = 8
_LINES_BYTES = 500  # of a document


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A blob that is still to be packed; ``size`` in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class BlobPlan:
    """Decides which blobs stay in the packs of the newest backup, and which are to be packed."""

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
            there = reusable_blobs(self.earlier.blobs(), sizes.keys(), self.part_bytes)
        save_rows(self.run, _KEPT, (blob_line(blob) for blob in there))
        unpacked = sorted(sizes.keys() - {blob.key for blob in there})
        rows = (json.dumps([key, sizes[key]]).encode() + b"\n" for key in unpacked)
        save_rows(self.run, _UNPACKED, rows)
        packs = {blob.stream for blob in there if blob.stream}
        carried = tuple(self.earlier.packs[pack] for pack in sorted(packs))
        yield Piece(Mark("planned"), carried=carried)


@dataclass(frozen=True, slots=True)
class Packs:
    """The blobs that are to be packed. A pack has about the size of a part."""

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
        """The blobs of the next pack, its bytes, and the index of the first blob behind it."""
        found, data = list[SavedBlob](), bytearray()
        with ThreadPoolExecutor(_READERS) as pool:
            while at < len(unpacked) and len(data) < self.part_bytes:
                # Read at once no more than a part together, unless one blob alone is larger.
                some = unpacked[at : at + _READERS]
                fit = sum(total <= self.part_bytes for total in accumulate(each.size for each in some))
                keys = [each.key for each in some[: max(1, fit)]]
                for key, blob in zip(keys, pool.map(self._read, keys), strict=True):
                    if blob is not None:
                        found.append(SavedBlob(key, len(blob), sha256(blob).hexdigest(), stream, len(data)))
                        data += blob
                at += len(keys)
        return found, bytes(data), at

    def _read(self, key: str) -> bytes | None:
        try:
            return self.run.tools.blobs.get(key)
        except NotFound:
            return None  # removed since it was listed


@dataclass(frozen=True, slots=True)
class BlobIndex:
    """Where each blob is. ``packs``: how many this backup has made; ``documents``: how many have blobs."""

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
        packed = (load_rows(self.run, _packed(number)) for number in range(self.packs))
        # Each row begins with its key, and both sides were saved in the order of keys.
        rows = merge(load_rows(self.run, _KEPT), chain.from_iterable(packed))
        lines = (Line(saved_blob(row).key, row + b"\n") for row in islice(rows, done, None))
        for data, last in cut(lines, self.piece_bytes):
            done += data.count(b"\n")
            yield Piece(Mark(last, {"lines": done}), BLOBS, data)


def _packed(number: int) -> str:
    return f"blobs-packed-{number:06}"
