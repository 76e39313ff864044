"""Where backups lie: at BACKUP_URL.

- ``parts/AA/NAME``: an object each, named by its content, shared by every backup that has it
- ``manifests/ID``: written last, so that what has none is no backup
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from rag.errors import DamagedBackup, NotFound
from rag.model import Manifest, StoredPart
from rag.ports import BlobStore
from rag.settings import Settings
from rag.stores.backups.manifests import manifest_of
from rag.stores.blobs import ObstoreBlobs
from rag.stores.buckets import Access


@dataclass(frozen=True, slots=True)
class Swept:
    """What was removed of the vault, and what it refused to remove, such as under an object lock."""

    removed: int
    size: int
    locked: int


class Vault:
    """Ids of backups ascend with the time at which they began."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """At BACKUP_URL, or in AEGIS_HOME."""
        return cls(ObstoreBlobs(settings.backup_address, Access.of(settings)))

    def keep(self, data: bytes, *, anew: bool = False) -> StoredPart:
        """Store a piece, unless the same is there; ``anew``: in any case."""
        name = sha256(data).hexdigest()
        key = f"parts/{name[:2]}/{name}"
        if anew or not self._blobs.exists(key):
            self._blobs.put(key, data)
        return StoredPart(key, len(data), name, len(data))

    def piece(self, part: StoredPart) -> bytes:
        """The piece as it was given to ``keep``. DamagedBackup, WrongKey."""
        return self._read(part)

    def check(self, part: StoredPart) -> None:
        """Read the object again. DamagedBackup names it."""
        self._read(part)

    def seal(self, manifest: Manifest) -> None:
        """Make it a backup."""
        self._blobs.put(f"manifests/{manifest.id}", json.dumps(asdict(manifest)).encode())

    def manifest(self, backup: str) -> Manifest:
        """NotFound; DamagedBackup, WrongKey."""
        return manifest_of(json.loads(self._blobs.get(f"manifests/{backup}")))

    def backups(self) -> Sequence[str]:
        """Ids, the newest first."""
        return sorted((key.rpartition("/")[2] for key in self._blobs.keys("manifests")), reverse=True)

    def newest(self, *, before: float | None = None) -> Manifest:
        """The newest backup that was finished by ``before``. NotFound; DamagedBackup, WrongKey."""
        for backup in self.backups():
            manifest = self.manifest(backup)
            if before is None or manifest.finished_at <= before:
                return manifest
        raise NotFound("There is no backup yet" if before is None else "There is no backup that old")

    def forget(self, backup: str) -> bool:
        """Remove the manifest; False where that is refused. The parts stay until they are swept."""
        self._blobs.delete(f"manifests/{backup}")
        return True

    def sweep(self, needed: Iterable[str]) -> Swept:
        """Remove every part whose key is not among ``needed``."""
        keys = set(needed)
        spare = [key for key in self._blobs.keys("parts") if key not in keys]
        for key in spare:
            self._blobs.delete(key)
        return Swept(len(spare), 0, 0)

    def _read(self, part: StoredPart) -> bytes:
        try:
            data = self._blobs.get(part.key)
        except NotFound as error:
            raise DamagedBackup(f"{part.key} is missing") from error
        if sha256(data).hexdigest() != part.sha256:
            raise DamagedBackup(f"{part.key} is damaged: its SHA-256 is not {part.sha256}")
        return data
