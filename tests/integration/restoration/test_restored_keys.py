"""Keys come back with the records: good ones, revoked ones, and that a key is asked for at all."""

import asyncio
from collections.abc import Callable
from time import time

import pytest
import redis

from rag.access.keys import Key, KeyState, Secret, digest_of, new_id, new_token
from rag.errors import Conflict, Unavailable
from rag.redis.connection import connect_async
from rag.registry.keys import KeyFinder, KeyRegistry
from rag.settings import Role
from tasks.upkeep.rebuild import rebuild_records
from workers.tools import Tools


@pytest.fixture
def registry(tools: Tools, redis_client: redis.Redis) -> KeyRegistry:
    return KeyRegistry(redis_client, tools.journal, 86400)


def made(registry: KeyRegistry, name: str) -> tuple[Key, str]:
    """A key, and what it is kept as."""
    key_id = new_id()
    token = new_token(key_id)
    key = Key(key_id, name, Role.READ, ("*",), time(), "root", (Secret(digest_of(token)),))
    registry.add(key)
    return key, token


def demanded(tools: Tools) -> bool:
    async def asked() -> bool:
        client = connect_async(tools.settings.records_url)
        try:
            return await KeyFinder(client, tools.journal).is_demanded()
        finally:
            await client.aclose()

    return asyncio.run(asked())


def test_they_are_as_they_were(tools: Tools, registry: KeyRegistry, lose: Callable[[], None]) -> None:
    good, _ = made(registry, "good")
    gone, _ = made(registry, "gone")
    revoked = registry.change(gone.id, lambda key: key.revoked(time()))
    lose()
    with pytest.raises(Unavailable):
        registry.all()

    rebuild_records(tools.restoration)

    assert [each.key for each in registry.all()] == [good, revoked]
    assert revoked.state(time()) is KeyState.REVOKED
    assert demanded(tools)
    with pytest.raises(Conflict):
        made(registry, "good")
    assert made(registry, "gone")


def test_a_key_is_asked_for_even_where_all_were_revoked(
    tools: Tools, registry: KeyRegistry, lose: Callable[[], None]
) -> None:
    key, _ = made(registry, "ci")
    registry.change(key.id, lambda known: known.revoked(time()))
    lose()

    rebuild_records(tools.restoration)

    assert demanded(tools)


def test_a_suspended_key_alone_asks_nobody_for_one(tools: Tools, registry: KeyRegistry) -> None:
    key, _ = made(registry, "ci")
    tools.restoration.journal.put_key(key.suspended("backup"))
    registry._scripts._client.flushall()

    rebuild_records(tools.restoration)

    assert [each.key.state(time()) for each in registry.all()] == [KeyState.SUSPENDED]
    assert not demanded(tools)
    registry.change(key.id, lambda known: known.activated())
    assert demanded(tools)


def test_an_older_entry_never_undoes_what_redis_knows(
    tools: Tools, registry: KeyRegistry, redis_client: redis.Redis
) -> None:
    key, _ = made(registry, "ci")
    registry.change(key.id, lambda known: known.revoked(time()))
    tools.restoration.journal.put_key(key)
    redis_client.delete("{aegis}:intact")

    rebuild_records(tools.restoration)

    assert registry.one(key.id).key.state(time()) is KeyState.REVOKED
