"""API keys: who a token stands for, and how far it reaches."""

import pytest

from api.access import ANYBODY, Caller, Keyring
from rag.errors import Forbidden, Unauthenticated
from rag.settings import ApiKey, Role

KEYS = Keyring(
    {
        "the-key-of-a-reader": ApiKey(name="reader", role=Role.READ, collections=("a", "b")),
        "schlüssel-mit-umlaut": ApiKey(name="umlaut", role=Role.ADMIN, collections=("*",)),
    }
)


def test_without_keys_everybody_may_do_everything():
    caller = Keyring({}).caller(None)

    assert caller is ANYBODY
    caller.must_be(Role.ADMIN)
    caller.must_reach("any")


@pytest.mark.parametrize(
    "token", [None, "", "the-key-of-a-reade", "the-key-of-a-reader ", "THE-KEY-OF-A-READER", "\xff"]
)
def test_what_is_no_key_is_refused(token):
    with pytest.raises(Unauthenticated):
        KEYS.caller(token)


def test_a_key_stands_for_its_entry():
    assert KEYS.caller("the-key-of-a-reader") == Caller("reader", Role.READ, ("a", "b"))


def test_keys_are_compared_as_the_bytes_that_http_carries():
    assert KEYS.caller("schlüssel-mit-umlaut".encode().decode("latin-1")).name == "umlaut"


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
    caller = KEYS.caller("the-key-of-a-reader")

    assert caller.reaches("b")
    with pytest.raises(Forbidden):
        caller.must_reach("c")


def test_a_star_reaches_everything():
    assert KEYS.caller("schlüssel-mit-umlaut".encode().decode("latin-1")).collections is None
