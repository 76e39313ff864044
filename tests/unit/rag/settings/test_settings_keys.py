"""API_KEYS is read strictly: what is not said in full is refused, and no message holds a key."""

import json
from typing import Any

import pytest

from rag.errors import ConfigurationError
from rag.settings import Role, load
from rag.settings.keys import keys_of

KEY, OTHER = "k3y-that-nobody-may-see", "another-k3y-to-be-hidden"
READER = {"name": "reader", "role": "read", "collections": ["docs"]}


def refusal(entries: Any) -> str:
    with pytest.raises(ValueError, match=r"entry|JSON|twice") as caught:
        keys_of(entries if isinstance(entries, str) else json.dumps(entries))
    said = str(caught.value)
    assert KEY not in said
    assert OTHER not in said
    return said


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {**READER, "collection": ["docs"]},
            "a field of 10 characters: this is none of name, role and",
        ),
        ({**READER, KEY: 1}, "a field of 23 characters"),
        ({"name": "reader", "role": "read"}, "collections: this is missing"),
        ({"name": "reader", "collections": ["*"]}, "role: this is missing"),
        ({"role": "read", "collections": ["*"]}, "name: this is missing"),
        ({**READER, "name": ""}, "name: "),
        ({**READER, "name": "anybody"}, "'anybody'"),
        ({**READER, "name": "a\nb"}, "name: "),
        ({**READER, "role": "root"}, "role: "),
        ({**READER, "collections": []}, "names no collection"),
        ({**READER, "collections": "*"}, "collections: "),
        ({**READER, "collections": ["*", "docs"]}, "stands alone"),
        ({**READER, "collections": ["a b"]}, "a collection name has"),
        (KEY, "no object with name, role and collections"),
        (None, "no object with name, role and collections"),
    ],
)
def test_an_entry_that_does_not_say_all_is_refused(entry, said):
    assert said in refusal({KEY: entry})


@pytest.mark.parametrize(
    "key",
    ["", " ", "x" * 15, "x" * 513, "white space in the key", "tab\tin-the-long-key", "zero\x00-in-the-key"],
)
def test_a_key_that_is_short_or_cannot_be_sent_is_refused(key):
    assert "entry 2: the key has" in refusal({KEY: READER, key: {**READER, "name": "other"}})


def test_two_keys_of_one_name_are_refused():
    assert "the name 'reader' is there twice" in refusal({KEY: READER, OTHER: READER})


def test_a_key_or_a_field_that_is_written_twice_is_refused():
    entry = json.dumps(READER)

    assert "a key is there twice" in refusal(f'{{"{KEY}": {entry}, "{KEY}": {entry}}}')
    assert "'role'" not in refusal(f'{{"{KEY}": {entry[:-1]}, "role": "admin"}}}}')
    assert "is there twice" in refusal(f'{{"{KEY}": {entry[:-1]}, "role": "admin"}}}}')


@pytest.mark.parametrize(
    "text", ["", "{", KEY, f'"{KEY}"', f'["{KEY}"]', f"{{{KEY}: 1}}", "[" * 100_000, "null"]
)
def test_what_is_no_object_is_refused(text):
    assert "this is no JSON object" in refusal(text)


def test_whoever_starts_it_is_told_of_every_fault_without_the_key(monkeypatch):
    monkeypatch.setenv(
        "API_KEYS", json.dumps({KEY: {**READER, "rolle": "x"}, OTHER: {**READER, "role": "x"}})
    )

    with pytest.raises(ConfigurationError) as caught:
        load()

    said = str(caught.value)
    assert said.startswith("API_KEYS: entry 1: ")
    assert "entry 2: role" in said
    assert KEY not in said
    assert OTHER not in said


def test_the_settings_never_show_a_key(monkeypatch):
    monkeypatch.setenv("API_KEYS", json.dumps({KEY: READER}))

    settings = load()

    assert KEY not in repr(settings)
    assert settings.api_keys[KEY].role is Role.READ
    assert settings.api_keys[KEY].collections == ("docs",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"OIDC_ISSUER": "https://id.example"}, "OIDC_AUDIENCE: is needed"),
        (
            {"OIDC_ISSUER": "http://id.example", "OIDC_AUDIENCE": "a"},
            "'http://id.example' must begin with https://",
        ),
        ({"OIDC_JWKS_URL": "https://id.example/jwks"}, "OIDC_ISSUER: is needed"),
        ({"OIDC_ALGORITHMS": '["HS256"]'}, "OIDC_ALGORITHMS"),
        ({"OIDC_ALGORITHMS": '["none"]'}, "OIDC_ALGORITHMS"),
        ({"OIDC_ALGORITHMS": "[]"}, "OIDC_ALGORITHMS"),
        ({"OIDC_ROLES": '{"staff": "root"}'}, "OIDC_ROLES"),
        ({"HEALTH_TOKEN": "short"}, "HEALTH_TOKEN"),
    ],
)
def test_an_issuer_whose_tokens_would_prove_nothing_is_refused(monkeypatch, settings, said):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as caught:
        load()

    assert said in str(caught.value)
