"""API keys: who a token stands for, and how far it reaches."""

import asyncio

import pytest

from api.access.access import ANYBODY, Authenticator, Caller
from rag.access.keys import Key, Secret, digest_of, new_token
from rag.errors import Forbidden, Unauthenticated
from rag.settings import ApiKey, Role


class Made:
    """No key was made, or one was."""

    def __init__(self, key: Key | None = None) -> None:
        self.key = key

    async def authenticate(self, key_id: str, token: str) -> Key | None:
        return self.key if self.key and self.key.id == key_id and self.key.opened_by(token, 0.0) else None

    async def is_demanded(self) -> bool:
        return self.key is not None


TOKEN = new_token("a" * 16)
MADE = Key("a" * 16, "made", Role.WRITE, ("c",), 0.0, "admin", (Secret(digest_of(TOKEN)),))


KEYS = Authenticator(
    {
        "the-key-of-a-reader": ApiKey(name="reader", role=Role.READ, collections=("a", "b")),
        "schlüssel-mit-umlaut": ApiKey(name="umlaut", role=Role.ADMIN, collections=("*",)),
    },
    Made(),
)


def caller_of(authenticator: Authenticator, token: str | None) -> Caller:
    return asyncio.run(authenticator.authenticate(token))


def test_without_keys_everybody_may_do_everything():
    caller = caller_of(Authenticator({}, Made()), None)

    assert caller is ANYBODY
    caller.must_be(Role.ADMIN)
    caller.must_reach("any")


@pytest.mark.parametrize(
    "token", [None, "", "the-key-of-a-reade", "the-key-of-a-reader ", "THE-KEY-OF-A-READER", "\xff"]
)
def test_what_is_no_key_is_refused(token):
    with pytest.raises(Unauthenticated):
        caller_of(KEYS, token)


def test_a_key_stands_for_its_entry():
    assert caller_of(KEYS, "the-key-of-a-reader") == Caller("reader", Role.READ, ("a", "b"))


def test_keys_are_compared_as_the_bytes_that_http_carries():
    assert caller_of(KEYS, "schlüssel-mit-umlaut".encode().decode("latin-1")).name == "umlaut"


@pytest.mark.parametrize(
    ("has", "needs", "allowed"),
    [
        (Role.READ, Role.READ, True),
        (Role.READ, Role.WRITE, False),
        (Role.WRITE, Role.READ, True),
        (Role.WRITE, Role.ADMIN, False),
        (Role.ADMIN, Role.WRITE, True),
    ],
)
def test_roles_contain_the_lesser_ones(has, needs, allowed):
    caller = Caller("x", has, None)

    if allowed:
        caller.must_be(needs)
    else:
        with pytest.raises(Forbidden):
            caller.must_be(needs)


def test_a_scope_ends_where_it_says():
    caller = caller_of(KEYS, "the-key-of-a-reader")

    assert caller.reaches("b")
    with pytest.raises(Forbidden):
        caller.must_reach("c")


def test_a_star_reaches_everything():
    assert caller_of(KEYS, "schlüssel-mit-umlaut".encode().decode("latin-1")).collections is None


def test_a_key_that_was_made_stands_for_its_record():
    authenticator = Authenticator({}, Made(MADE))

    assert caller_of(authenticator, TOKEN) == Caller("made", Role.WRITE, ("c",), id="a" * 16)
    for token in (None, TOKEN[:-1], new_token("a" * 16), new_token("b" * 16)):
        with pytest.raises(Unauthenticated):
            caller_of(authenticator, token)


def test_a_key_may_be_required_before_there_is_any():
    with pytest.raises(Unauthenticated):
        caller_of(Authenticator({}, Made(), required=True), None)
