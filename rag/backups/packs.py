"""Packs: many blobs as one stream of a backup, which later backups have in common.

Single blobs out of the packs of a backup.

A backup that is read: its streams, line by line.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from rag.access.keys import Key
from rag.backups import contents
from rag.backups.contents import GoldenQuery, SavedBlob, SavedDocument
from rag.backups.vault import Vault, read
from rag.errors import DamagedBackup
from rag.journal.entries import CollectionEntry, JobFields
from rag.model import Manifest, SavedCollection, StoredPart, Stream
from rag.naming import DOCUMENT_FOLDERS, generation_name
from rag.ports.snapshots import Opened

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenBackup:
    """Reading raises DamagedBackup, WrongKey. A stream that is not there has nothing in it."""

    vault: Vault
    manifest: Manifest

    def collection(self, name: str) -> SavedCollection:
        return next(each for each in self.manifest.collections if each.name == name)

    def opened(self, stream: str) -> Opened:
        """The bytes of a stream that is there."""
        found = self.manifest.stream(stream)
        return lambda start: read(self.vault, found, start)

    def entries(self) -> Iterator[CollectionEntry]:
        """Of the collections, those too that had been dropped."""
        return self._lines(contents.COLLECTIONS, contents.saved_collection)

    def documents(self, saved: SavedCollection) -> Iterator[SavedDocument]:
        """By id, ascending."""
        return self._lines(saved.documents_stream, contents.saved_document)

    def golden(self, saved: SavedCollection) -> Iterator[GoldenQuery]:
        return self._lines(saved.golden_stream, contents.golden_query)

    def jobs(self) -> Iterator[JobFields]:
        """The newest first."""
        return self._lines(contents.JOBS, contents.saved_job)

    def made_keys(self) -> Iterator[Key]:
        """By id, ascending; none in backups that were made before there were keys."""
        return self._lines(contents.KEYS, contents.saved_key)

    def blobs(self, *collections: SavedCollection) -> Iterator[SavedBlob]:
        """Sources and texts of the collections."""
        folders = [generation_name(each.name, each.generation) for each in collections]
        places = tuple(f"{sort}/{folder}/" for folder in folders for sort in DOCUMENT_FOLDERS)
        return (blob for blob in self.packed() if blob.key.startswith(places))

    def packed(self) -> Iterator[SavedBlob]:
        """Every source and text."""
        return self._lines(contents.BLOBS, contents.saved_blob)

    def _lines(self, stream: str, decoded: Callable[[bytes], T]) -> Iterator[T]:
        found = (each for each in self.manifest.streams if each.name == stream)
        for line in contents.lines(piece for each in found for piece in read(self.vault, each)):
            try:
                yield decoded(line)
            except (ValueError, TypeError, KeyError) as error:
                raise DamagedBackup(
                    f"Stream {stream} of backup {self.manifest.id} has a line that cannot be read"
                ) from error


THIN_PACKS = 16
"""Packs with little in them, or little that is still there; one more, and they are packed together."""


def kept(blobs: Iterable[SavedBlob], live: Collection[str], part_bytes: int) -> tuple[SavedBlob, ...]:
    """Of an earlier backup's ``blobs`` those that stay where they are, and are among the ``live`` keys.

    A pack is thin with less than half a part that is live: of few of those nothing is read again.
    """
    there = [blob for blob in blobs if blob.stream and blob.key in live]
    sizes: Counter[str] = Counter()
    for blob in there:
        sizes[blob.stream] += blob.size
    thin = thin_packs(sizes, part_bytes)
    return tuple(blob for blob in there if blob.stream not in thin)


def thin_packs(sizes: Mapping[str, int], part_bytes: int) -> Collection[str]:
    """Of packs, by how many bytes of each are live, those that are to be packed together; none of a few."""
    thin = {stream for stream, size in sizes.items() if size < part_bytes / 2}
    return thin if len(thin) > THIN_PACKS else ()


class Unpacking:
    """Reads blobs of ``backup``. In the order in which they are packed each part is read once."""

    def __init__(self, backup: OpenBackup) -> None:
        self._vault = backup.vault
        self._streams: Mapping[str, Stream] = {each.name: each for each in backup.manifest.streams}
        self._key, self._piece = "", b""

    def parts(self, blob: SavedBlob) -> Iterator[StoredPart]:
        """The parts that have something of the blob; none where the backup has but its key."""
        return (part for part, _ in self._places(blob))

    def get(self, blob: SavedBlob) -> bytes:
        """The bytes. DamagedBackup, WrongKey."""
        data = b"".join(self._read(part)[within] for part, within in self._places(blob))
        if sha256(data).hexdigest() != blob.sha256:
            raise DamagedBackup(f"{blob.key} in stream {blob.stream} is not what was saved")
        return data

    def _places(self, blob: SavedBlob) -> Iterator[tuple[StoredPart, slice]]:
        """Each part, and what of it belongs to the blob."""
        start, end, at = blob.offset, blob.offset + blob.size, 0
        for part in self._streams[blob.stream].parts if blob.stream else ():
            if at < end and start < at + part.length:
                yield part, slice(max(0, start - at), min(part.length, end - at))
            at += part.length

    def _read(self, part: StoredPart) -> bytes:
        if part.key != self._key:
            self._piece = self._vault.piece(part)
            self._key = part.key
        return self._piece
