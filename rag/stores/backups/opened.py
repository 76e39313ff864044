"""A backup that is read: its streams, line by line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from rag.errors import DamagedBackup
from rag.keys import Key
from rag.model import Manifest, SavedCollection
from rag.naming import DOCUMENT_FOLDERS, generation_name
from rag.ports.snapshots import Opened
from rag.stores.backups import contents
from rag.stores.backups.contents import GoldenQuery, SavedBlob, SavedDocument
from rag.stores.backups.streams import read
from rag.stores.backups.vault import Vault
from rag.stores.entries import CollectionEntry, JobFields

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
