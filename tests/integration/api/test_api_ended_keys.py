"""Keys that were revoked or have expired: they stand in nobody's way, and are forgotten in time."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from time import time

import pytest

from rag.access.keys import Key, Secret, digest_of, new_id, new_token
from rag.blobs.store import ObstoreBlobs
from rag.errors import Conflict, NotFound
from rag.journal.journal import Journal
from rag.redis.connection import connect_to
from rag.registry.keys import KeyRegistry, KeyRestoration
from rag.settings import Role
from tests.integration.apiserver import settings_of
from tests.integration.brokers import declare_intact

KEPT = 1000.0
numbers = count()


@pytest.fixture
def journal(valkey, tmp_path) -> Journal:
    return Journal(ObstoreBlobs.of(settings_of(valkey, tmp_path)))


@pytest.fixture
def client(valkey) -> Iterator:
    with connect_to(valkey) as client:
        declare_intact(client)
        yield client


@pytest.fixture
def registry(client, journal) -> KeyRegistry:
    return KeyRegistry(client, journal, KEPT)


def a_key(**fields: float) -> Key:
    key_id = new_id()
    secrets = (Secret(digest_of(new_token(key_id))),)
    key = Key(key_id, f"key {next(numbers)}", Role.READ, ("mine",), time(), "root", secrets)
    return replace(key, **fields)


def known(registry: KeyRegistry) -> set[str]:
    return {each.key.id for each in registry.all()}


def test_keys_that_have_ended_do_not_count(registry, monkeypatch):
    monkeypatch.setattr("rag.registry.keys._MOST", 2)
    lasting = a_key()
    registry.add(lasting)
    for _ in range(4):
        revoked = a_key()
        registry.add(revoked)
        registry.change(revoked.id, lambda key: key.revoked(time()))
        registry.add(a_key(expires_at=time() - 1))

    registry.add(a_key(expires_at=time() + 3600))

    with pytest.raises(Conflict, match="2 keys"):
        registry.add(a_key())


def test_how_many_are_kept_has_a_bound_all_the_same(registry, monkeypatch):
    monkeypatch.setattr("rag.registry.keys._MOST_KEPT", 2)
    for _ in range(2):
        registry.add(a_key(expires_at=time() - 1))

    with pytest.raises(Conflict, match="2 with those"):
        registry.add(a_key())


def test_they_are_known_for_as_long_as_a_backup_might_bring_them_back(registry, client, journal):
    restoration = KeyRestoration(client)
    young, old, expired = a_key(), a_key(), a_key(expires_at=time() - KEPT - 60)
    for key in (young, old, expired):
        registry.add(key)
    registry.change(young.id, lambda key: key.revoked(time() - KEPT + 60))
    registry.change(old.id, lambda key: key.revoked(time() - KEPT - 60))

    new = a_key()
    registry.add(new)

    assert known(registry) == {young.id, new.id}
    assert {key.id for key in journal.made_keys()} == {young.id, new.id}
    restoration.restore([young.suspended("backup")])
    assert registry.one(young.id).key.revoked_at is not None
    with pytest.raises(NotFound):
        registry.change(old.id, lambda key: key.revoked(time()))


def test_the_name_of_one_that_was_forgotten_is_free(registry):
    expired = a_key(expires_at=time() - KEPT - 60)
    registry.add(expired)

    registry.add(replace(a_key(), name=expired.name))

    assert expired.id not in known(registry)


def test_what_comes_back_out_of_the_journal_counts_as_it_did(registry, client, journal, monkeypatch):
    monkeypatch.setattr("rag.registry.keys._MOST", 2)
    for key in (a_key(), a_key(expires_at=time() - 1)):
        registry.add(key)
    client.flushall()
    declare_intact(client)

    KeyRestoration(client).restore(journal.made_keys())

    registry.add(a_key())
    with pytest.raises(Conflict):
        registry.add(a_key())
