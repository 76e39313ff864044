"""Where backups lie: at BACKUP_URL.

- ``parts/AA/NAME``: an object each, named by its content, shared by every backup that has it; encrypted
  ones end in ``.aes``
- ``manifests/ID``: written last, so that what has none is no backup
- ``vault``: how its key follows from BACKUP_KEY, once there is one

A change of any bit of them, and every part that is missing, is a DamagedBackup that names the object.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import inf
from time import monotonic

from rag.errors import DamagedBackup, NotFound
from rag.model import Manifest, StoredPart
from rag.settings import Settings
from rag.stores.backups.envelope import disclosed, enclosed, understood
from rag.stores.backups.holdings import Holdings
from rag.stores.backups.keyring import MANIFESTS, Keyring
from rag.stores.backups.manifests import manifest_of
from rag.stores.backups.objects import BATCH, Objects

_PARTS, _ENCRYPTED = "parts", ".aes"


@dataclass(frozen=True, slots=True)
class Swept:
    """What was removed of the vault, and how many objects it refused to remove, such as under a policy.

    ``reached``: the last key that was looked at; None: all were.
    """

    removed: int = 0
    size: int = 0
    locked: int = 0
    reached: str | None = None

    def plus(self, keys: Sequence[str], locked: Collection[str], sizes: Mapping[str, int]) -> "Swept":
        """And these, of which ``locked`` are still there."""
        gone = [sizes[key] for key in keys if key not in locked]
        return Swept(self.removed + len(gone), self.size + sum(gone), self.locked + len(locked))


class Vault:
    """Ids of backups ascend with the time at which they began. Unavailable comes when the store is away."""

    def __init__(self, objects: Objects, passphrase: str | None = None) -> None:
        self._objects = objects
        self._keyring = Keyring(objects, passphrase)

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """At BACKUP_URL, or in AEGIS_HOME."""
        key = settings.backup_key
        return cls(Objects.of(settings), key.get_secret_value() if key else None)

    def probe(self) -> None:
        """Return when the store answers, and BACKUP_KEY fits. Refused; DamagedBackup, WrongKey."""
        self._keyring.examine()

    def holdings(self, *, anew: bool = False) -> Holdings:
        """Which parts are there, for ``keep``; ``anew``: none, as far as it is concerned."""
        return Holdings(self._objects, _PARTS, asks=not anew)

    def keep(self, data: bytes, *, anew: bool = False, holdings: Holdings | None = None) -> StoredPart:
        """Store a piece, unless the same is there; ``anew``: in any case. DamagedBackup, WrongKey."""
        known = holdings or self.holdings(anew=anew)
        part, stored = self._stored(data)
        if not known.has(part):
            self._objects.put_whole(part.key, stored)
            known.add(part)
        return part

    def piece(self, part: StoredPart) -> bytes:
        """The piece as it was given to ``keep``. DamagedBackup, WrongKey."""
        data = self._read(part)
        if part.key.endswith(_ENCRYPTED):
            return self._keyring.reading(part.key).open_piece(part.key, data)
        return data

    def seal(self, manifest: Manifest) -> None:
        """Make it a backup. DamagedBackup when a part of it is not there any more; WrongKey."""
        self._require_parts(manifest)
        key, cipher = _key(manifest.id), self._keyring.writing()
        written = replace(manifest, encrypted=cipher is not None)
        body = json.dumps(asdict(written), separators=(",", ":")).encode()
        sealed = cipher.seal(key, body) if cipher else body
        self._objects.put_whole(key, enclosed(self._keyring.header(cipher), sealed))

    def manifest(self, backup: str) -> Manifest:
        """NotFound; DamagedBackup, WrongKey, and BackupError for one of a later version of Aegis."""
        key = _key(backup)
        try:
            header, body = disclosed(key, self._objects.get(key))
        except NotFound as error:
            raise NotFound(f"There is no backup {backup}") from error
        cipher = self._keyring.of(key, header)
        plain = cipher.open(key, body) if cipher else body
        with understood(key):
            manifest = manifest_of(json.loads(plain))
        if manifest.id != backup:
            raise DamagedBackup(f"{key} is damaged: it is the manifest of {manifest.id}")
        return manifest

    def backups(self) -> Sequence[str]:
        """Ids, the newest first."""
        return sorted((key.rpartition("/")[2] for key in self._objects.keys(MANIFESTS)), reverse=True)

    def newest(self, *, before: float | None = None) -> Manifest:
        """The newest backup that was finished by ``before``. NotFound; DamagedBackup, WrongKey."""
        for backup in self.backups():
            manifest = self.manifest(backup)
            if before is None or manifest.finished_at <= before:
                return manifest
        raise NotFound("There is no backup yet" if before is None else "There is no backup that old")

    def forget(self, backup: str) -> bool:
        """Remove the manifest; False where that is refused. The parts stay until they are swept."""
        return not self._objects.remove([_key(backup)])

    def sweep(self, needed: Iterable[str], *, after: str = "", seconds: float = inf) -> Swept:
        """Remove every part beyond ``after`` whose key is not among ``needed``, while nobody stores any.

        It ends soon after ``seconds``; ``reached`` is where to go on.
        """
        kept, until = set(needed), monotonic() + seconds
        sizes = self._objects.sizes(_PARTS)
        spare = sorted(key for key in sizes if key > after and key not in kept)
        swept = Swept()
        for start in range(0, len(spare), BATCH):
            batch = spare[start : start + BATCH]
            swept = swept.plus(batch, self._objects.remove(batch), sizes)
            if monotonic() > until:
                return replace(swept, reached=batch[-1])
        self._objects.tidy()
        return swept

    def _stored(self, data: bytes) -> tuple[StoredPart, bytes]:
        """The piece as a part, and the bytes of its object, which are the same each time."""
        cipher = self._keyring.writing()
        name = cipher.name(data) + _ENCRYPTED if cipher else sha256(data).hexdigest()
        key = f"{_PARTS}/{name[:2]}/{name}"
        stored = cipher.seal_piece(key, data) if cipher else data
        return StoredPart(key, len(stored), sha256(stored).hexdigest(), len(data)), stored

    def _read(self, part: StoredPart) -> bytes:
        try:
            data = self._objects.get(part.key)
        except NotFound as error:
            raise DamagedBackup(f"{part.key} is missing") from error
        if sha256(data).hexdigest() != part.sha256:
            raise DamagedBackup(f"{part.key} is damaged: its SHA-256 is not {part.sha256}")
        return data

    def _require_parts(self, manifest: Manifest) -> None:
        there = self._objects.sizes(_PARTS)
        for part in manifest.parts.values():
            if there.get(part.key) != part.size:
                raise DamagedBackup(f"{part.key} is missing: make the backup again")


def _key(backup: str) -> str:
    return f"{MANIFESTS}/{backup}"
