"""Reads a backup: its streams line by line, and single blobs out of its packs.

A pack is a stream of many blobs. Later backups share it.
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
        """The journal's entries of collections, those included that had been dropped."""
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
"""How many packs may be thin, with little that is still needed. More of them are packed together."""


def reusable_blobs(
    blobs: Iterable[SavedBlob], live: Collection[str], part_bytes: int
) -> tuple[SavedBlob, ...]:
    """The blobs of an earlier backup that stay in their packs: those among the ``live`` keys.

    A pack is thin if less than half a part of it is live. Its blobs are packed again if thin packs are many.
    """
    there = [blob for blob in blobs if blob.stream and blob.key in live]
    sizes: Counter[str] = Counter()
    for blob in there:
        sizes[blob.stream] += blob.size
    thin = thin_packs(sizes, part_bytes)
    return tuple(blob for blob in there if blob.stream not in thin)


def thin_packs(sizes: Mapping[str, int], part_bytes: int) -> Collection[str]:
    """The packs to pack together; ``sizes``: live bytes by pack. None if only a few are thin."""
    thin = {stream for stream, size in sizes.items() if size < part_bytes / 2}
    return thin if len(thin) > THIN_PACKS else ()


class Unpacking:
    """Reads blobs of ``backup``. Ask in the order in which they are packed: each part is then read once."""

    def __init__(self, backup: OpenBackup) -> None:
        self._vault = backup.vault
        self._streams: Mapping[str, Stream] = {each.name: each for each in backup.manifest.streams}
        self._key, self._piece = "", b""

    def parts(self, blob: SavedBlob) -> Iterator[StoredPart]:
        """The parts with bytes of the blob; none if the backup has only its key."""
        return (part for part, _ in self._places(blob))

    def get(self, blob: SavedBlob) -> bytes:
        """The bytes. DamagedBackup, WrongKey."""
        data = bytearray()
        for part, within in self._places(blob):
            # Blobs of one part follow each other, so the last part is all that is worth keeping.
            if part.key != self._key:
                self._piece, self._key = self._vault.piece(part), part.key
            data += self._piece[within]
        if sha256(data).hexdigest() != blob.sha256:
            raise DamagedBackup(f"{blob.key} in stream {blob.stream} is not what was saved")
        return bytes(data)

    def _places(self, blob: SavedBlob) -> Iterator[tuple[StoredPart, slice]]:
        """Each part with bytes of the blob, and which of the part's bytes those are."""
        start, end, at = blob.offset, blob.offset + blob.size, 0
        for part in self._streams[blob.stream].parts if blob.stream else ():
            if at < end and start < at + part.length:
                yield part, slice(max(0, start - at), min(part.length, end - at))
            at += part.length
