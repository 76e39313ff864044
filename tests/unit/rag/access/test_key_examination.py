"""What the doctor says of keys: that they are asked for, and that nobody is left who makes others."""

from typing import Any

import pytest

from cli.doctor.access import judge_keys
from rag.access.keys import Key, Secret
from rag.settings import Settings
from rag.settings.keys import Role

NOW = 1_000.0
ROOT = {"a-key-of-settings-1": {"name": "root", "role": "admin", "collections": ["*"]}}
READER = {"a-key-of-settings-2": {"name": "reader", "role": "read", "collections": ["*"]}}
SUSPENDED, REVOKED, EXPIRED = {"restored_from": "b1"}, {"revoked_at": 1.0}, {"expires_at": 1.0}


def key(name: str = "root", role: Role = Role.ADMIN, *collections: str, **fields: Any) -> Key:
    scope = collections or ("*",)
    return Key(name, name, role, scope, 0.0, "anybody", (Secret("0" * 64),), **fields)


@pytest.mark.parametrize(
    ("made", "fields", "state", "said"),
    [
        ((), {}, "ok", "none: nobody needs one"),
        ((key(**SUSPENDED),), {}, "ok", "1 suspended: nobody needs one"),
        ((key(),), {}, "ok", "1 active: nobody comes in without one"),
        ((key(), key("ci", Role.WRITE, "docs", **REVOKED)), {}, "ok", "1 active, 1 revoked: nobody comes in"),
        ((), {"api_keys": ROOT}, "ok", "1 of API_KEYS: nobody comes in"),
        ((key(**REVOKED),), {"api_keys": ROOT}, "ok", "1 revoked, 1 of API_KEYS"),
        ((key(), key("ci", **SUSPENDED)), {}, "note", "1 active, 1 suspended"),
        ((key(**REVOKED),), {}, "bad", "none makes others"),
        ((key(**EXPIRED), key("ci", Role.WRITE)), {}, "bad", "none makes others"),
        ((key("own", Role.ADMIN, "docs"),), {}, "bad", "none makes others"),
        ((), {"api_keys": READER}, "bad", "none makes others"),
        ((), {"keys_required": True}, "bad", "none makes others"),
        ((), {"oidc_issuer": "https://id.example", "oidc_audience": "aegis"}, "ok", "nobody comes in"),
    ],
)
def test_the_doctor_says_whether_keys_are_asked_for_and_can_be_made(
    made: tuple[Key, ...], fields: dict[str, Any], state: str, said: str
) -> None:
    found = judge_keys(Settings(_env_file=None, redis_url=None, **fields), made, NOW)

    assert (found.state, said in found.text) == (state, True), found
    assert ("API_KEYS" in found.remedy) is (state == "bad")
