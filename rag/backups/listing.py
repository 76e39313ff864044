"""The list of backups, with a summary of each. Manifests are long, and they never change."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from rag.backups.vault import Vault
from rag.errors import BackupError, NotFound
from rag.model import Manifest
from rag.ports import Window

_READ_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Listed:
    """A manifest without its streams and files, which are ``objects`` objects of ``size`` bytes in all."""

    manifest: Manifest
    objects: int
    size: int

    @classmethod
    def of(cls, manifest: Manifest) -> "Listed":
        collections = tuple(replace(each, packs={}, files=()) for each in manifest.collections)
        short = replace(manifest, streams=(), collections=collections)
        return cls(short, len(manifest.parts), manifest.size)


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A backup whose manifest cannot be used."""

    id: str
    error: BackupError


class BackupListing:
    """Reads each manifest once in a process. Raises Unavailable when the bucket is away."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._read: dict[str, Listed] = {}

    def page(self, *, cursor: str | None, limit: int) -> Window[Listed | Unlisted]:
        """The newest first; ``cursor``: the last one seen."""
        backups = self._vault.backups()
        # Manifests of backups that were removed are dropped here.
        self._read = {backup: self._read[backup] for backup in backups if backup in self._read}
        left = [backup for backup in backups if cursor is None or backup < cursor]
        wanted = left[:limit]
        with ThreadPoolExecutor(_READ_AT_ONCE, "manifests") as pool:
            found = tuple(entry for entry in pool.map(self._look_up, wanted) if entry is not None)
        return Window(found, wanted[-1] if len(left) > limit else None)

    def entry(self, backup: str) -> Listed:
        """NotFound, BackupError."""
        return Listed.of(self._vault.manifest(backup))

    def latest(self, *, before: float | None = None) -> Listed:
        """As :meth:`Vault.latest` has it. NotFound, BackupError."""
        return Listed.of(self._vault.latest(before=before))

    def _look_up(self, backup: str) -> Listed | Unlisted | None:
        """None when it was removed meanwhile."""
        try:
            found = self._read.get(backup) or self.entry(backup)
        except NotFound:
            return None
        except BackupError as error:
            return Unlisted(backup, error)
        self._read[backup] = found
        return found
