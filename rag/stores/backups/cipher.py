"""Encryption of a vault by BACKUP_KEY: how keys follow from the passphrase, and what they do.

scrypt (RFC 7914) makes a master key, HKDF (RFC 5869) all others of it. Pieces and manifests are
encrypted by AES-256-GCM (NIST SP 800-38D), with the object's key in the vault as associated data.

A piece has a key of its own, which follows from its name, and its name from its bytes by HMAC-SHA256. So no
two contents meet under one key, the nonce may stand still, and the same piece is the same object
whoever encrypts it: what older manifests say of it stays true when it is sent again. Manifests share
a key, and have random nonces before their bytes.
"""

import os
from dataclasses import asdict, dataclass, field
from hmac import digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from rag.errors import DamagedBackup
from rag.model import Json

_KEY_BYTES, _NONCE_BYTES, _SALT_BYTES = 32, 12, 16
_STILL = bytes(_NONCE_BYTES)
_COSTLIEST = 1 << 24


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a vault's master key follows from its passphrase; all of it may be known.

    ``n``, ``r`` and ``p`` are scrypt's: 32 MiB and a fraction of a second, as the OWASP Password Storage
    Cheat Sheet has them. ``salt``: hex.
    """

    salt: str = field(default_factory=lambda: os.urandom(_SALT_BYTES).hex())
    n: int = 1 << 15
    r: int = 8
    p: int = 3

    def key(self, passphrase: str) -> bytes:
        """The master key. ValueError for parameters that scrypt has not, or that would take too long."""
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
        """What may be known of this key: how it is derived, and ``check``, which tells it from others."""
        check = self._derived("check").hex()
        return {"cipher": "AES-256-GCM", "scrypt": asdict(self._derivation), "check": check}

    def name(self, piece: bytes) -> str:
        """64 hex digits, the same for the same bytes."""
        return digest(self._names, piece, "sha256").hex()

    def seal_piece(self, key: str, piece: bytes) -> bytes:
        """The object; ``key``: where it will lie, which contains the piece's name."""
        return self._of_piece(key).encrypt(_STILL, piece, key.encode())

    def open_piece(self, key: str, data: bytes) -> bytes:
        """DamagedBackup."""
        return _opened(self._of_piece(key), _STILL, data, key)

    def seal(self, key: str, data: bytes) -> bytes:
        """The body of the manifest that will lie at ``key``."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._manifests.encrypt(nonce, data, key.encode())

    def open(self, key: str, body: bytes) -> bytes:
        """DamagedBackup."""
        return _opened(self._manifests, body[:_NONCE_BYTES], body[_NONCE_BYTES:], key)

    def _of_piece(self, key: str) -> AESGCM:
        return AESGCM(self._derived(key))

    def _derived(self, purpose: str) -> bytes:
        return HKDFExpand(SHA256(), _KEY_BYTES, f"aegis {purpose}".encode()).derive(self._master)


def _opened(cipher: AESGCM, nonce: bytes, data: bytes, key: str) -> bytes:
    try:
        return cipher.decrypt(nonce, data, key.encode())
    except (InvalidTag, ValueError) as error:  # ValueError: it is too short to have been encrypted
        raise DamagedBackup(f"{key} is damaged: it does not decrypt") from error
