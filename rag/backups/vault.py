"""Where backups lie: at BACKUP_URL.

- ``parts/AA/NAME``: an object each, named by its content, shared by every backup that has it; encrypted
  ones end in ``.aes``
- ``manifests/ID``: written last, so that what has none is no backup
- ``vault``: how its key follows from BACKUP_KEY, once there is one

A change of any bit of them, and every part that is missing, is a DamagedBackup that names the object.

Which parts a vault holds.

Streams to and from a vault, of which no more than a piece is in memory.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import inf
from time import monotonic

from rag.backups.encryption import MANIFESTS, Keyring, disclosed, enclosed, understood
from rag.backups.manifest import manifest_of
from rag.backups.objects import BATCH, Objects
from rag.errors import BackupError, DamagedBackup, NotFound, Refused
from rag.journal.entries import made_at
from rag.model import Manifest, StoredPart, Stream
from rag.ports import Turn
from rag.settings import Settings

_FEW = 16
"""Parts that are asked for one by one, before all of them are listed: a thousand come in one answer."""


class KnownParts:
    """Good for as long as nobody removes parts. One that is cut short, as after a power cut, is not there.

    ``asks`` False: it knows only of those that it is told of.
    """

    def __init__(self, objects: Objects, folder: str, *, asks: bool) -> None:
        self._objects = objects
        self._folder = folder
        self._asks = asks
        self._asked = 0
        self._sizes: dict[str, int] = {}
        self.sent = 0
        """Bytes that were stored."""

    def has(self, part: StoredPart) -> bool:
        """Whether the vault holds it. Raises Unavailable when the store is away."""
        if self._sizes.get(part.key) == part.size:
            return True
        if self._asks and self._asked < _FEW:
            self._asked += 1
            return self._objects.size(part.key) == part.size
        if self._asks:
            self._asks = False
            self._sizes.update(self._objects.sizes(self._folder))
        return self._sizes.get(part.key) == part.size

    def add(self, part: StoredPart) -> None:
        """It was stored just now."""
        self._sizes[part.key] = part.size
        self.sent += part.size


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
        self._secret = passphrase is not None
        self._keyring = Keyring(objects, passphrase)

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """At BACKUP_URL, or in AEGIS_HOME."""
        key = settings.backup_key
        return cls(Objects.of(settings), key.get_secret_value() if key else None)

    def probe(self) -> None:
        """Return when the store answers, and BACKUP_KEY fits. Refused; DamagedBackup, WrongKey."""
        self._keyring.examine()

    def known_parts(self, *, anew: bool = False) -> KnownParts:
        """Which parts are there, for ``keep``; ``anew``: none, as far as it is concerned."""
        return KnownParts(self._objects, _PARTS, asks=not anew)

    def keep(self, data: bytes, *, known_parts: KnownParts | None = None) -> StoredPart:
        """Store a piece, unless ``known_parts`` knows of it. DamagedBackup, WrongKey."""
        known = known_parts or self.known_parts()
        part, stored = self._stored(data)
        if not known.has(part):
            self._put(part, stored)
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
            manifest = replace(manifest_of(json.loads(plain)), encrypted=cipher is not None)
        if manifest.id != backup:
            raise DamagedBackup(f"{key} is damaged: it is the manifest of {manifest.id}")
        return manifest

    def backups(self) -> Sequence[str]:
        """Ids, the newest first."""
        return sorted((key.rpartition("/")[2] for key in self._objects.keys(MANIFESTS)), reverse=True)

    def newest(self, *, before: float | None = None) -> Manifest:
        """The newest backup that was finished by ``before``. NotFound, BackupError."""
        for manifest in self._finished(before):
            return manifest
        raise NotFound("There is no backup yet" if before is None else "There is no backup that old")

    def latest(self, *, before: float | None = None) -> Manifest:
        """The newest of those that have documents: machines in place of lost ones may have saved none yet.

        Where none has any, the newest. Raises as :meth:`newest` does.
        """
        newest = self.newest(before=before)
        return next((each for each in self._finished(before) if each.has_documents), newest)

    def forget(self, backup: str) -> bool:
        """Remove the manifest; False where that is refused. The parts stay until they are swept."""
        return not self._objects.remove([_key(backup)])

    def sweep(
        self, needed: Iterable[str], *, after: str = "", seconds: float = inf, alone: Turn | bool = True
    ) -> Swept:
        """Remove every part beyond ``after`` whose key is not among ``needed``, while nobody stores any.

        It ends soon after ``seconds``, and when it is not ``alone`` any more; ``reached`` is where to go on.
        """
        kept, until = set(needed), monotonic() + seconds
        sizes = self._objects.sizes(_PARTS)
        spare = sorted(key for key in sizes if key > after and key not in kept)
        swept, reached = Swept(), after
        for start in range(0, len(spare), BATCH):
            if not alone or (reached != after and monotonic() > until):
                return replace(swept, reached=reached)
            batch = spare[start : start + BATCH]
            swept, reached = swept.plus(batch, self._objects.remove(batch), sizes), batch[-1]
        self._objects.tidy()
        return swept

    def _finished(self, before: float | None) -> Iterator[Manifest]:
        """Those that were finished by then, the newest first; what began later is not read.

        BackupError for one in the open where there is a BACKUP_KEY: whoever can write there may have put it.
        """
        for backup in self.backups():
            if before is not None and _began_after(backup, before):
                continue
            manifest = self.manifest(backup)
            if before is not None and manifest.finished_at > before:
                continue
            if self._secret and not manifest.encrypted:
                raise BackupError(
                    f"Backup {backup} is not encrypted although BACKUP_KEY is set, so it may be anybody's: "
                    "make one with the key (`aegis backup`), or name this one by its id"
                )
            yield manifest

    def _put(self, part: StoredPart, data: bytes) -> None:
        """Where a policy keeps what is there from being replaced, that has to be whole. DamagedBackup."""
        try:
            self._objects.put_whole(part.key, data)
        except Refused:
            if not self._objects.exists(part.key):
                raise
            self._read(part)

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
                raise DamagedBackup(f"{part.key} is missing: send everything again by `aegis backup --full`")


def _began_after(backup: str, moment: float) -> bool:
    """By its id, where that tells."""
    try:
        return made_at(backup) > moment
    except ValueError:
        return False


def _key(backup: str) -> str:
    return f"{MANIFESTS}/{backup}"


class Intake:
    """Takes streams in, piece by piece, for as long as nobody removes parts: make one under that lock.

    ``part_bytes``: of every piece but a stream's last. ``anew``: what is there is sent again.
    """

    def __init__(self, vault: Vault, part_bytes: int, *, anew: bool = False) -> None:
        self._vault = vault
        self._part_bytes = part_bytes
        self._holdings = vault.known_parts(anew=anew)

    @property
    def sent(self) -> int:
        """Bytes that were stored, of all that it was given."""
        return self._holdings.sent

    def stream(self, data: Iterable[bytes]) -> Iterator[StoredPart]:
        """Each part once it is stored; ``data`` is read no further than asked for. DamagedBackup, WrongKey.

        To go on after a break, begin where the parts that came before end.
        """
        for piece in pieces(data, self._part_bytes):
            yield self._vault.keep(piece, known_parts=self._holdings)


def pieces(data: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of ``size``, the last one of what is left; none of nothing."""
    gathered = bytearray()
    for block in data:
        gathered += block
        while len(gathered) >= size:
            yield bytes(gathered[:size])
            del gathered[:size]
    if gathered:
        yield bytes(gathered)


def read(vault: Vault, stream: Stream, start: int = 0) -> Iterator[bytes]:
    """The stream's bytes from ``start`` on, a piece at a time. DamagedBackup, WrongKey."""
    for part in stream.parts:
        if start < part.length:
            yield vault.piece(part)[start:]
        start = max(0, start - part.length)
