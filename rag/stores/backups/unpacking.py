"""Single blobs out of the packs of a backup."""

from collections.abc import Iterator, Mapping
from hashlib import sha256

from rag.errors import DamagedBackup
from rag.model import StoredPart, Stream
from rag.stores.backups.contents import SavedBlob
from rag.stores.backups.opened import OpenBackup


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
