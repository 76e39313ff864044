"""The vault: where backups are stored, at BACKUP_URL.

- ``parts/AA/NAME``: an object each, named by its content, shared by every backup that has it; encrypted
  ones end in ``.aes``
- ``manifests/ID``: written last; what has no manifest is no backup
- ``vault``: how its key follows from BACKUP_KEY, once it has one

Every changed bit and every missing part is a DamagedBackup that names the object. Streams to and from a
vault never have more than one piece in memory.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import inf
from time import monotonic

from rag.backups.encryption import MANIFESTS, Keyring, decode_object, encode_object, parsing
from rag.backups.objects import BATCH, Objects
from rag.errors import BackupError, DamagedBackup, NotFound, Refused
from rag.journal.entries import made_at
from rag.model import (
    Engine,
    Json,
    Manifest,
    SavedCollection,
    SavedFile,
    SnapshotFile,
    StoredPart,
    Stream,
)
from rag.model.known import known_fields
from rag.ports import Turn
from rag.settings import Settings

_FEW = 16
"""How many parts are asked for one by one before all are listed: one answer lists a thousand."""


class KnownParts:
    """Which parts a vault has; valid while nobody removes parts.

    A part that was cut short, as by a power cut, counts as missing. ``asks`` False: it does not ask the
    store, and knows only the parts that it is told of.
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
        """Whether the vault has the part. Raises Unavailable when the store is away."""
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
        """Add a part that was stored just now."""
        self._sizes[part.key] = part.size
        self.sent += part.size


_PARTS, _ENCRYPTED = "parts", ".aes"


@dataclass(frozen=True, slots=True)
class Swept:
    """``removed`` objects of ``size`` bytes; ``locked``: how many a policy protects from removal.

    ``reached``: the last key that was looked at; None when all were.
    """

    removed: int = 0
    size: int = 0
    locked: int = 0
    reached: str | None = None


class Vault:
    """Ids of backups ascend with the time at which they began. Unavailable when the store is away."""

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
        """Return if the store answers and BACKUP_KEY fits. Raises Refused, DamagedBackup, WrongKey."""
        self._keyring.examine()

    def known_parts(self, *, resend: bool = False) -> KnownParts:
        """The parts that are there, for ``store``. ``resend``: none, so that all are stored again."""
        return KnownParts(self._objects, _PARTS, asks=not resend)

    def store(self, data: bytes, *, known_parts: KnownParts | None = None) -> StoredPart:
        """Store a piece, unless it is among ``known_parts``. DamagedBackup, WrongKey."""
        known, cipher = known_parts or self.known_parts(), self._keyring.writing()
        name = cipher.name(data) + _ENCRYPTED if cipher else sha256(data).hexdigest()
        key = f"{_PARTS}/{name[:2]}/{name}"
        # The same piece gives the same object each time.
        stored = cipher.seal_piece(key, data) if cipher else data
        part = StoredPart(key, len(stored), sha256(stored).hexdigest(), len(data))
        if known.has(part):
            return part
        try:
            self._objects.put_whole(part.key, stored)
        except Refused:
            if not self._objects.exists(part.key):
                raise
            self._read(part)  # a policy forbids to replace the object, so that has to be whole
        known.add(part)
        return part

    def piece(self, part: StoredPart) -> bytes:
        """The piece as it was given to ``store``. DamagedBackup, WrongKey."""
        data = self._read(part)
        if part.key.endswith(_ENCRYPTED):
            return self._keyring.reading(part.key).open_piece(part.key, data)
        return data

    def seal(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the backup. WrongKey; DamagedBackup if a part is gone."""
        there = self._objects.sizes(_PARTS)
        for part in manifest.parts.values():
            if there.get(part.key) != part.size:
                raise DamagedBackup(f"{part.key} is missing: send everything again by `aegis backup --full`")
        key, cipher = _key(manifest.id), self._keyring.writing()
        written = replace(manifest, encrypted=cipher is not None)
        body = json.dumps(asdict(written), separators=(",", ":")).encode()
        sealed = cipher.seal(key, body) if cipher else body
        self._objects.put_whole(key, encode_object(self._keyring.header(cipher), sealed))

    def manifest(self, backup: str) -> Manifest:
        """NotFound; DamagedBackup, WrongKey, and BackupError for one of a later version of Aegis."""
        key = _key(backup)
        try:
            header, body = decode_object(key, self._objects.get(key))
        except NotFound as error:
            raise NotFound(f"There is no backup {backup}") from error
        cipher = self._keyring.of(key, header)
        plain = cipher.open(key, body) if cipher else body
        with parsing(key):
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
        """The newest backup that has documents; if none has, the newest. Raises as :meth:`newest` does.

        A machine that replaces a lost one may have made backups without documents.
        """
        newest = self.newest(before=before)
        return next((each for each in self._finished(before) if each.has_documents), newest)

    def forget(self, backup: str) -> bool:
        """Remove the manifest; False if the store refuses. The parts stay until a sweep removes them."""
        return not self._objects.remove([_key(backup)])

    def sweep(
        self, needed: Iterable[str], *, after: str = "", seconds: float = inf, alone: Turn | bool = True
    ) -> Swept:
        """Remove every part beyond ``after`` whose key is not among ``needed``, while nobody stores parts.

        It stops soon after ``seconds``, or when it has lost the lock ``alone``; go on at ``reached``.
        """
        kept, until = set(needed), monotonic() + seconds
        sizes = self._objects.sizes(_PARTS)
        spare = sorted(key for key in sizes if key > after and key not in kept)
        swept, reached = Swept(), after
        for start in range(0, len(spare), BATCH):
            # At least one batch is removed in each call, so that a slow store makes progress.
            if not alone or (reached != after and monotonic() > until):
                return replace(swept, reached=reached)
            batch = spare[start : start + BATCH]
            locked, reached = self._objects.remove(batch), batch[-1]
            gone = [sizes[key] for key in batch if key not in locked]
            swept = Swept(swept.removed + len(gone), swept.size + sum(gone), swept.locked + len(locked))
        self._objects.tidy()
        return swept

    def _finished(self, before: float | None) -> Iterator[Manifest]:
        """Backups that were finished by then, the newest first; those that began later are not read.

        BackupError for an unencrypted one if there is a BACKUP_KEY: an intruder may have put it there.
        """
        for backup in self.backups():
            if before is not None:
                with suppress(ValueError):  # the name is no id, so it does not tell the time
                    if made_at(backup) > before:
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

    def _read(self, part: StoredPart) -> bytes:
        try:
            data = self._objects.get(part.key)
        except NotFound as error:
            raise DamagedBackup(f"{part.key} is missing") from error
        if sha256(data).hexdigest() != part.sha256:
            raise DamagedBackup(f"{part.key} is damaged: its SHA-256 is not {part.sha256}")
        return data


def _key(backup: str) -> str:
    return f"{MANIFESTS}/{backup}"


class StreamWriter:
    """Stores streams, piece by piece. Use it under the lock, so that nobody removes parts meanwhile.

    ``part_bytes``: of every piece but a stream's last. ``resend``: send also parts that are there already.
    """

    def __init__(self, vault: Vault, part_bytes: int, *, resend: bool = False) -> None:
        self._vault = vault
        self._part_bytes = part_bytes
        self._known_parts = vault.known_parts(resend=resend)

    @property
    def sent(self) -> int:
        """Bytes that were stored, without those of parts that were there."""
        return self._known_parts.sent

    def stream(self, data: Iterable[bytes]) -> Iterator[StoredPart]:
        """Each part once it is stored; ``data`` is read no further than asked for. DamagedBackup, WrongKey.

        To go on after a break, begin where the last stored part ends.
        """
        for piece in pieces(data, self._part_bytes):
            yield self._vault.store(piece, known_parts=self._known_parts)


def pieces(data: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of ``size``; the last may be shorter. No bytes give no piece."""
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


def manifest_of(fields: Json) -> Manifest:
    """A manifest from its JSON. KeyError, TypeError for what is no manifest."""
    collections = []
    for each in fields["collections"]:
        files = tuple(
            SavedFile(SnapshotFile(**known_fields(SnapshotFile, file["file"])), file["stream"])
            for file in each["files"]
        )
        collections.append(SavedCollection(**{**known_fields(SavedCollection, each), "files": files}))
    return Manifest(
        **{
            **known_fields(Manifest, fields),
            "engine": Engine(**known_fields(Engine, fields["engine"])),
            "collections": tuple(collections),
            "streams": tuple(map(stream_of, fields["streams"])),
            "missing": tuple(fields["missing"]),
        }
    )


def stream_of(fields: Json) -> Stream:
    """A stream from its JSON."""
    parts = (StoredPart(**known_fields(StoredPart, part)) for part in fields["parts"])
    return Stream(fields["name"], tuple(parts))
