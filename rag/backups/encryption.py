"""Encryption of a vault by BACKUP_KEY: how keys follow from the passphrase, and what they do.

scrypt (RFC 7914) makes a master key, HKDF (RFC 5869) all others of it. Pieces and manifests are
encrypted by AES-256-GCM (NIST SP 800-38D), with the object's key in the vault as associated data.

The key of a piece follows from its name, and its name from its bytes by HMAC-SHA256. So no two contents
share a key, which is why the nonce may be constant. The same piece gives the same object whoever encrypts
it: what older manifests say of it stays true when it is sent again. Manifests share a key, and have random
nonces before their bytes.

The object ``vault`` says how its key follows from BACKUP_KEY, and so does every manifest: if that object is
gone, the next backup makes it again as it was.

Small objects of a vault have this form: the SHA-256 of all that follows, a line of JSON, and a body.

    <64 hex digits>\n{"format": 1, …}\n<body>

So a change of any bit is found without a key, and before any of the content is used.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from hmac import digest
from threading import RLock
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from rag.backups.objects import Objects
from rag.errors import BackupError, DamagedBackup, NotFound, WrongKey
from rag.model import Json

FORMAT = 1


def encode_object(header: Json, body: bytes = b"") -> bytes:
    """The object. ``header`` is readable by anybody."""
    line = json.dumps({"format": FORMAT, **header}, separators=(",", ":"))
    rest = b"%b\n%b" % (line.encode(), body)
    return b"%b\n%b" % (sha256(rest).hexdigest().encode(), rest)


def decode_object(key: str, data: bytes) -> tuple[Json, bytes]:
    """Header and body of the object ``key``. DamagedBackup; BackupError for one of a later format."""
    digest, _, rest = data.partition(b"\n")
    if digest != sha256(rest).hexdigest().encode():
        raise DamagedBackup(f"{key} is damaged: its SHA-256 is not the one at its beginning")
    line, _, body = rest.partition(b"\n")
    with parsing(key):
        header: Json = json.loads(line)
        later = header["format"] > FORMAT
    if later:
        raise BackupError(
            f"{key} has format {header['format']}, and this version of Aegis reads format {FORMAT}: "
            "use the version that made it, or a later one"
        )
    return header, body


@contextmanager
def parsing(key: str) -> Iterator[None]:
    """Raise DamagedBackup for errors of parsing an object that does not have the right form."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedBackup(
            f"{key} is damaged: it is not in the form of format {FORMAT} ({error!r})"
        ) from error


_KEY_BYTES, _NONCE_BYTES, _SALT_BYTES = 32, 12, 16
_CONSTANT_NONCE = bytes(_NONCE_BYTES)
_COSTLIEST = 1 << 24


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a vault's master key follows from its passphrase. None of this is secret.

    ``n``, ``r`` and ``p`` are scrypt's: 32 MiB and a fraction of a second, as the OWASP Password Storage
    Cheat Sheet has them. ``salt``: hex.
    """

    salt: str = field(default_factory=lambda: os.urandom(_SALT_BYTES).hex())
    n: int = 1 << 15
    r: int = 8
    p: int = 3

    def key(self, passphrase: str) -> bytes:
        """The master key. ValueError for parameters that scrypt refuses, or that would take too long."""
        # The parameters come from the store, and a forged header must not cost hours.
        if self.n * self.r * self.p > _COSTLIEST:
            raise ValueError(f"scrypt with n={self.n}, r={self.r} and p={self.p} would take too long")
        scrypt = Scrypt(salt=bytes.fromhex(self.salt), length=_KEY_BYTES, n=self.n, r=self.r, p=self.p)
        return scrypt.derive(passphrase.encode())


class Cipher:
    """What one master key encrypts."""

    def __init__(self, derivation: Derivation, passphrase: str) -> None:
        self._derivation = derivation
        self._master = derivation.key(passphrase)
        self._names = self._derived("names")
        self._manifests = AESGCM(self._derived("manifests"))

    @property
    def lock(self) -> Json:
        """The public part: how the key is derived, and ``check``, which tells it from other keys."""
        check = self._derived("check").hex()
        return {"cipher": "AES-256-GCM", "scrypt": asdict(self._derivation), "check": check}

    def name(self, piece: bytes) -> str:
        """64 hex digits, the same for the same bytes."""
        return digest(self._names, piece, "sha256").hex()

    def seal_piece(self, key: str, piece: bytes) -> bytes:
        """The object; ``key``: where it will lie, which contains the piece's name."""
        return AESGCM(self._derived(key)).encrypt(_CONSTANT_NONCE, piece, key.encode())

    def open_piece(self, key: str, data: bytes) -> bytes:
        """DamagedBackup."""
        return _opened(AESGCM(self._derived(key)), _CONSTANT_NONCE, data, key)

    def seal(self, key: str, data: bytes) -> bytes:
        """The body of the manifest that will lie at ``key``."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._manifests.encrypt(nonce, data, key.encode())

    def open(self, key: str, body: bytes) -> bytes:
        """DamagedBackup."""
        return _opened(self._manifests, body[:_NONCE_BYTES], body[_NONCE_BYTES:], key)

    def _derived(self, purpose: str) -> bytes:
        return HKDFExpand(SHA256(), _KEY_BYTES, f"aegis {purpose}".encode()).derive(self._master)


def _opened(cipher: AESGCM, nonce: bytes, data: bytes, key: str) -> bytes:
    try:
        return cipher.decrypt(nonce, data, key.encode())
    except (InvalidTag, ValueError) as error:  # ValueError: it is too short to have been encrypted
        raise DamagedBackup(f"{key} is damaged: it does not decrypt") from error


VAULT, MANIFESTS = "vault", "manifests"
_LOCK = "encryption"


class Keyring:
    """The ciphers of one vault, each derived once. ``passphrase`` None: nothing is encrypted."""

    def __init__(self, objects: Objects, passphrase: str | None) -> None:
        self._objects = objects
        self._passphrase = passphrase
        self._ciphers: dict[Derivation, Cipher] = {}
        self._alone = RLock()
        self._writes: Cipher | None = None
        self._reads: Cipher | None = None
        self._plain = False

    def writing(self) -> Cipher | None:
        """The cipher for new objects; None in a vault that is not encrypted. DamagedBackup, WrongKey."""
        with self._alone:
            if self._writes is None and not self._plain:
                if self._passphrase:
                    # Create it as it was. If another process comes first, what that wrote counts.
                    own = self._lock() or self._cipher(Derivation(), self._passphrase).lock
                    self._objects.create(VAULT, encode_object({_LOCK: own}))
                lock = self._lock()
                self._writes, self._plain = self._opened(VAULT, lock), lock is None
            return self._writes

    def reading(self, key: str) -> Cipher:
        """The cipher for the encrypted piece at ``key``. DamagedBackup, WrongKey."""
        with self._alone:
            self._reads = self._reads or self._opened(VAULT, self._lock())
            if self._reads is None:
                raise DamagedBackup(f"{VAULT} is missing: nothing says how {key} is encrypted")
            return self._reads

    def examine(self) -> None:
        """Read again how the vault is encrypted. DamagedBackup; WrongKey if BACKUP_KEY does not fit."""
        self._opened(VAULT, self._lock())

    def of(self, key: str, header: Json) -> Cipher | None:
        """The cipher of the object ``key`` with this header; None if it is not encrypted. WrongKey."""
        cipher = self._opened(key, header.get(_LOCK))
        self._reads = cipher or self._reads
        return cipher

    def header(self, cipher: Cipher | None) -> Json:
        """The header of an object that ``cipher`` encrypts, for :meth:`of`."""
        return {_LOCK: cipher and cipher.lock}

    def _opened(self, key: str, lock: Json | None) -> Cipher | None:
        """The cipher for the ``lock`` of the object ``key``; None without a lock. WrongKey, DamagedBackup."""
        if lock is None:
            return None
        if self._passphrase is None:
            raise WrongKey(
                f"{key} at {self._objects.address} is encrypted: set BACKUP_KEY to its passphrase, or "
                "BACKUP_URL to another place for backups without encryption"
            )
        with parsing(key):
            cipher = self._cipher(Derivation(**lock["scrypt"]), self._passphrase)
            fits = cipher.lock == lock
        if not fits:
            raise WrongKey(
                f"BACKUP_KEY is not the passphrase of {key} at {self._objects.address}: set that one, or "
                "BACKUP_URL to another place for backups with this one"
            )
        return cipher

    def _cipher(self, derivation: Derivation, passphrase: str) -> Cipher:
        with self._alone:
            if derivation not in self._ciphers:
                self._ciphers[derivation] = Cipher(derivation, passphrase)
            return self._ciphers[derivation]

    def _lock(self) -> Json | None:
        """The lock of the vault, or else of its newest backup; None if that is not encrypted either."""
        header = self._header(VAULT)
        if header is None and (newest := max(self._objects.keys(MANIFESTS), default=None)):
            header = self._header(newest)
        return cast("Json | None", header.get(_LOCK)) if header else None

    def _header(self, key: str) -> Json | None:
        """None where there is no such object."""
        try:
            return decode_object(key, self._objects.get(key))[0]
        except NotFound:
            return None
        except DamagedBackup as error:
            if key != VAULT:
                raise
            raise DamagedBackup(f"{error}; remove it, and the next backup makes it again") from error
