"""Encryption of backups: what a passphrase leads to must never change, or no old backup could be read."""

import hmac
from hashlib import scrypt, sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag.backups.encryption import Cipher, Derivation
from rag.errors import DamagedBackup

SALT = "000102030405060708090a0b0c0d0e0f"
QUICK = Derivation(SALT, n=16, r=8, p=1)
PIECE = b"what a backup holds"


@pytest.fixture(scope="module")
def cipher() -> Cipher:
    return Cipher(QUICK, "a passphrase of some length")


def expanded(master: bytes, purpose: str) -> bytes:
    """HKDF-Expand of RFC 5869, of one block."""
    return hmac.digest(master, f"aegis {purpose}".encode() + b"\x01", "sha256")


def test_a_piece_can_be_read_by_the_published_scheme_alone(cipher: Cipher) -> None:
    master = scrypt(b"a passphrase of some length", salt=bytes.fromhex(SALT), n=16, r=8, p=1, dklen=32)
    key = f"parts/{cipher.name(PIECE)}"

    assert cipher.name(PIECE) == hmac.digest(expanded(master, "names"), PIECE, "sha256").hex()
    stored = AESGCM(expanded(master, key)).decrypt(bytes(12), cipher.seal_piece(key, PIECE), key.encode())
    assert stored == PIECE
    assert cipher.lock["check"] == expanded(master, "check").hex()


def test_a_name_tells_nothing_of_the_piece(cipher: Cipher) -> None:
    assert cipher.name(PIECE) != sha256(PIECE).hexdigest()
    assert cipher.name(PIECE) != Cipher(QUICK, "another passphrase, as long").name(PIECE)


def test_the_same_piece_is_the_same_object_and_no_other_is(cipher: Cipher) -> None:
    assert cipher.seal_piece("a", PIECE) == cipher.seal_piece("a", PIECE)
    assert cipher.seal_piece("a", PIECE) != cipher.seal_piece("b", PIECE)


def test_a_manifest_is_encrypted_differently_each_time(cipher: Cipher) -> None:
    first, second = cipher.seal("m", PIECE), cipher.seal("m", PIECE)

    assert first != second
    assert cipher.open("m", first) == cipher.open("m", second) == PIECE


@pytest.mark.parametrize("cut", [0, 5, 20, -1])
def test_what_was_cut_short_does_not_decrypt(cipher: Cipher, cut: int) -> None:
    with pytest.raises(DamagedBackup, match=r"^m is damaged"):
        cipher.open("m", cipher.seal("m", PIECE)[:cut])


def test_what_lies_elsewhere_does_not_decrypt(cipher: Cipher) -> None:
    with pytest.raises(DamagedBackup, match=r"^n is damaged"):
        cipher.open("n", cipher.seal("m", PIECE))
    with pytest.raises(DamagedBackup, match=r"^n is damaged"):
        cipher.open_piece("n", cipher.seal_piece("m", PIECE))


def test_parameters_that_would_take_hours_are_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        Derivation(SALT, n=1 << 30).key("a passphrase of some length")
