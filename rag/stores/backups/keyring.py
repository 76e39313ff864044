"""Which key a vault is encrypted with.

The object ``vault`` says how it follows from BACKUP_KEY, and so does every manifest: the next backup makes
that object again as it was, should it be gone.
"""

from threading import RLock
from typing import cast

from rag.errors import DamagedBackup, NotFound, WrongKey
from rag.model import Json
from rag.stores.backups.cipher import Cipher, Derivation
from rag.stores.backups.envelope import disclosed, enclosed, understood
from rag.stores.backups.objects import Objects

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
        """For what is stored; None in a vault that is not encrypted. DamagedBackup, WrongKey."""
        with self._alone:
            if self._writes is None and not self._plain:
                lock = self._create(self._passphrase) if self._passphrase else self._lock()
                self._writes, self._plain = self._opened(VAULT, lock), lock is None
            return self._writes

    def reading(self, key: str) -> Cipher:
        """For the encrypted piece at ``key``. DamagedBackup, WrongKey."""
        with self._alone:
            self._reads = self._reads or self._opened(VAULT, self._lock())
            if self._reads is None:
                raise DamagedBackup(f"{VAULT} is missing: nothing says how {key} is encrypted")
            return self._reads

    def examine(self) -> None:
        """Read anew how the vault is encrypted. DamagedBackup; WrongKey where BACKUP_KEY does not fit."""
        self._opened(VAULT, self._lock())

    def of(self, key: str, header: Json) -> Cipher | None:
        """That of the object ``key`` with this header; None for one that is not encrypted. WrongKey."""
        cipher = self._opened(key, header.get(_LOCK))
        self._reads = cipher or self._reads
        return cipher

    def header(self, cipher: Cipher | None) -> Json:
        """Of an object that ``cipher`` encrypts, so that :meth:`of` finds it again."""
        return {_LOCK: cipher and cipher.lock}

    def _opened(self, key: str, lock: Json | None) -> Cipher | None:
        """By what ``key`` says of its encryption, which may be none. WrongKey, DamagedBackup."""
        if lock is None:
            return None
        if self._passphrase is None:
            raise WrongKey(
                f"{key} at {self._objects.address} is encrypted: set BACKUP_KEY to its passphrase, or "
                "BACKUP_URL to another place for backups without encryption"
            )
        with understood(key):
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

    def _create(self, passphrase: str) -> Json | None:
        """How the vault is encrypted from here on: as it was, or as whoever came first has it."""
        lock = self._lock() or self._cipher(Derivation(), passphrase).lock
        self._objects.create(VAULT, enclosed({_LOCK: lock}))
        return self._lock()

    def _lock(self) -> Json | None:
        """As the vault says, or else its newest backup; None where that is not encrypted either."""
        header = self._header(VAULT)
        if header is None and (newest := max(self._objects.keys(MANIFESTS), default=None)):
            header = self._header(newest)
        return cast("Json | None", header.get(_LOCK)) if header else None

    def _header(self, key: str) -> Json | None:
        """None where there is no such object."""
        try:
            return disclosed(key, self._objects.get(key))[0]
        except NotFound:
            return None
        except DamagedBackup as error:
            if key != VAULT:
                raise
            raise DamagedBackup(f"{error}; remove it, and the next backup makes it again") from error
