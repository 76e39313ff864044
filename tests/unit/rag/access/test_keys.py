"""Keys that the service makes: their form, their states, and what rotating and revoking does to them."""

import re
from dataclasses import replace

import pytest

from rag.access.keys import Key, KeyState, Secret, digest_of, id_of, key_fields, key_of, new_id, new_token
from rag.errors import Conflict
from rag.settings import Role

NOW = 1_700_000_000.0
ID = new_id()
TOKEN = new_token(ID)
KEY = Key(ID, "ci", Role.WRITE, ("docs",), NOW - 60, "admin", (Secret(digest_of(TOKEN)),))


def test_a_key_is_recognisable_and_names_its_id() -> None:
    assert re.fullmatch(r"aegis_[a-z2-7]{16}_[0-9a-f]{64}", TOKEN)
    assert id_of(TOKEN) == ID
    assert new_token(ID) != TOKEN
    assert new_id() != ID


@pytest.mark.parametrize(
    "text",
    ["", "aegis_", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), f" {TOKEN[1:]}", TOKEN[:-1] + "\n", "é" * 87],
    ids=("empty", "prefix", "shorter", "longer", "capitals", "space", "line break", "not of ASCII"),
)
def test_what_has_another_form_names_none(text: str) -> None:
    assert id_of(text) is None


def test_nothing_that_is_kept_tells_the_key() -> None:
    assert TOKEN.rpartition("_")[2] not in str(key_fields(KEY))
    assert key_of(key_fields(KEY)) == KEY


def test_a_key_opens_until_it_expires() -> None:
    key = replace(KEY, expires_at=NOW)

    assert key.opened_by(TOKEN, NOW - 1)
    assert not key.opened_by(TOKEN, NOW)
    assert key.state(NOW) is KeyState.EXPIRED
    assert not KEY.opened_by(new_token(ID), NOW)


def test_a_rotated_key_has_two_secrets_for_the_time_of_grace() -> None:
    other = new_token(ID)

    key = KEY.rotated(other, NOW, grace=60, expires_at=None)

    assert key.revision == KEY.revision + 1
    assert key.opened_by(other, NOW + 3600)
    assert key.opened_by(TOKEN, NOW + 59)
    assert not key.opened_by(TOKEN, NOW + 60)
    assert not KEY.rotated(other, NOW, grace=0, expires_at=None).opened_by(TOKEN, NOW)


def test_a_later_rotation_never_prolongs_what_was_to_end() -> None:
    key = KEY.rotated(new_token(ID), NOW, grace=60, expires_at=None)

    key = key.rotated(new_token(ID), NOW + 1, grace=3600, expires_at=None)

    assert not key.opened_by(TOKEN, NOW + 60)


def test_a_key_that_is_rotated_again_and_again_stays_small() -> None:
    key = KEY
    for _ in range(50):
        key = key.rotated(new_token(ID), NOW, grace=60, expires_at=None)

    assert len(key.secrets) == 8


def test_a_revoked_key_is_so_for_ever() -> None:
    key = KEY.revoked(NOW)

    assert not key.opened_by(TOKEN, NOW)
    assert not key.holds_name
    assert key.revoked(NOW + 1) == key
    with pytest.raises(Conflict, match="revoked"):
        key.rotated(new_token(ID), NOW, grace=0, expires_at=None)
    with pytest.raises(Conflict):
        key.suspended("backup").activated()


def test_an_expired_key_is_rotated_with_another_expiry_alone() -> None:
    key, other = replace(KEY, expires_at=NOW - 1), new_token(ID)

    with pytest.raises(Conflict, match="expired"):
        key.rotated(other, NOW, grace=0, expires_at=None)
    assert key.rotated(other, NOW, grace=0, expires_at=NOW + 60).opened_by(other, NOW)


def test_a_restored_key_opens_nothing_until_it_is_activated() -> None:
    key = KEY.suspended("backup")

    assert key.state(NOW) is KeyState.SUSPENDED
    assert not key.opened_by(TOKEN, NOW)
    with pytest.raises(Conflict, match="activate it first"):
        key.rotated(new_token(ID), NOW, grace=0, expires_at=None)
    assert key.activated().opened_by(TOKEN, NOW)
    with pytest.raises(Conflict, match="not suspended"):
        KEY.activated()
