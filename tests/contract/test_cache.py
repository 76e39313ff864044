"""What every Cache must do; and, of the one on Redis, that it is bounded and endangers nothing."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import redis

from rag.model import CacheKind, CacheOutcome
from rag.ports import Cache
from rag.recovery.recovery import Recovery
from rag.redis.cache import RedisCache
from rag.redis.connection import connect_to
from rag.settings import Settings
from tests.integration.brokers import declare_intact, valkey_with
from tests.system.running import until

TEXTS, ANSWERS = CacheKind.EMBEDDINGS, CacheKind.ANSWERS
MB = 1 << 20


def cache_on(client: redis.Redis, **settings: float) -> RedisCache:
    return RedisCache(client, Settings.model_validate(settings))


@pytest.fixture
def cache(redis_client: redis.Redis) -> Cache:
    return cache_on(redis_client)


class TestEntries:
    def test_what_was_put_is_found(self, cache: Cache) -> None:
        cache.put(TEXTS, {"a": b"\x00\xff", "b": b"", "c": b"3"})

        assert cache.get(TEXTS, ["c", "never put", "a", "b"]) == {"a": b"\x00\xff", "b": b"", "c": b"3"}

    def test_nothing_is_asked_or_put_of_nothing(self, cache: Cache) -> None:
        cache.put(TEXTS, {})

        assert cache.get(TEXTS, []) == {}

    def test_kinds_do_not_mix(self, cache: Cache) -> None:
        cache.put(TEXTS, {"a": b"vector"})
        cache.put(ANSWERS, {"a": b"answer"})

        assert cache.get(TEXTS, ["a"]) == {"a": b"vector"}
        assert cache.get(ANSWERS, ["a"]) == {"a": b"answer"}

    def test_the_newest_value_of_a_key_counts_once(self, cache: Cache) -> None:
        cache.put(TEXTS, {"a": bytes(5000)})
        first = cache.figures().size

        cache.put(TEXTS, {"a": bytes(9000)})

        assert cache.get(TEXTS, ["a"]) == {"a": bytes(9000)}
        assert cache.figures().size == first + 4000

    def test_cleared_is_empty(self, cache: Cache) -> None:
        cache.put(TEXTS, {"a": b"1"})

        cache.clear()

        assert cache.get(TEXTS, ["a"]) == {}
        assert cache.figures().size == 0

    def test_it_is_counted_what_was_found(self, cache: Cache) -> None:
        cache.put(TEXTS, {"a": b"1", "b": b"2"})

        cache.get(TEXTS, ["a", "b", "c"])
        cache.get(ANSWERS, ["d"])

        asked = cache.figures().asked
        assert (asked[TEXTS, CacheOutcome.HIT], asked[TEXTS, CacheOutcome.MISS]) == (2, 1)
        assert (asked[ANSWERS, CacheOutcome.HIT], asked[ANSWERS, CacheOutcome.MISS]) == (0, 1)
        assert asked[TEXTS, CacheOutcome.FAILED] == 0


class TestTime:
    def test_an_entry_ends(self, redis_client: redis.Redis) -> None:
        cache = cache_on(redis_client, cache_ttl_seconds=0.2)

        cache.put(TEXTS, {"a": bytes(1000)})

        until(lambda: cache.get(TEXTS, ["a"]) == {})

    def test_what_has_ended_counts_no_more_when_something_else_is_put(
        self, redis_client: redis.Redis
    ) -> None:
        short, long = cache_on(redis_client, cache_ttl_seconds=0.2), cache_on(redis_client)
        long.put(ANSWERS, {"b": b"1"})
        alone = long.figures().size
        short.put(TEXTS, {"a": bytes(1000)})
        long.put(ANSWERS, {"b": b"1"})  # after which the shorter life does not end everything
        until(lambda: short.get(TEXTS, ["a"]) == {})

        long.put(ANSWERS, {"b": b"1"})

        assert long.figures().size == alone

    def test_a_cache_that_nobody_uses_leaves_nothing(self, redis_client: redis.Redis) -> None:
        cache_on(redis_client, cache_ttl_seconds=0.2).put(TEXTS, {"a": b"1"})

        until(lambda: redis_client.keys("{aegis}:cache:*") == [])

    def test_an_entry_from_before_the_clock_was_put_back_is_not_believed(
        self, redis_client: redis.Redis
    ) -> None:
        cache = cache_on(redis_client, cache_ttl_seconds=10)
        cache.put(TEXTS, {"a": b"1"})
        assert cache.get(TEXTS, ["a"]) == {"a": b"1"}

        redis_client.zincrby("{aegis}:cache:ends", 3600, "embeddings:a")

        assert cache.get(TEXTS, ["a"]) == {}

    def test_without_a_lifetime_nothing_is_kept(self, redis_client: redis.Redis) -> None:
        cache = cache_on(redis_client, cache_ttl_seconds=0)

        cache.put(TEXTS, {"a": b"1"})

        assert cache.get(TEXTS, ["a"]) == {}
        assert redis_client.keys("{aegis}:cache:*") == []


class TestRoom:
    def test_the_oldest_go_where_there_is_no_room(self, redis_client: redis.Redis) -> None:
        cache = cache_on(redis_client, cache_mb=1)
        before = redis_client.info("memory")["used_memory"]

        for n in range(30):
            cache.put(TEXTS, {f"{n}-{m}": bytes(10_000) for m in range(10)})

        assert 0.95 * MB < cache.figures().size <= MB
        assert redis_client.info("memory")["used_memory"] - before < 1.3 * MB
        assert len(cache.get(TEXTS, [f"29-{m}" for m in range(10)])) == 10
        assert cache.get(TEXTS, [f"0-{m}" for m in range(10)]) == {}

    def test_what_is_larger_than_all_room_is_not_kept(self, redis_client: redis.Redis) -> None:
        cache = cache_on(redis_client, cache_mb=1)
        cache.put(TEXTS, {"small": b"1"})

        cache.put(TEXTS, {"large": bytes(2 * MB)})

        assert cache.get(TEXTS, ["large"]) == {}
        assert cache.figures().size <= MB


@pytest.fixture
def small_client() -> Iterator[redis.Redis]:
    """A broker of 16 MB, of which 12 are taken: short of memory, and not full yet."""
    options = ("--appendonly", "yes", "--maxmemory", str(16 * MB))
    with valkey_with(*options) as address, connect_to(address) as client:
        for n in range(12):
            client.set(f"ballast-{n}", bytes(900_000))
        yield client


class TestBroker:
    def test_nothing_is_put_while_memory_is_short(self, small_client: redis.Redis) -> None:
        cache_on(small_client).put(TEXTS, {"a": b"1"})
        assert cache_on(small_client).get(TEXTS, ["a"]) == {}

        small_client.delete("ballast-0", "ballast-1")
        cache_on(small_client).put(TEXTS, {"a": b"1"})

        assert cache_on(small_client).get(TEXTS, ["a"]) == {"a": b"1"}

    def test_a_full_broker_is_a_miss_and_no_error(self, small_client: redis.Redis) -> None:
        cache = cache_on(small_client)
        for n in count():
            try:
                small_client.set(f"more-{n}", bytes(100_000))
            except redis.OutOfMemoryError:
                break

        cache.put(TEXTS, {"a": b"1"})

        assert cache.get(TEXTS, ["a"]) == {}

    def test_a_broker_that_is_away_is_a_miss_and_counted_when_it_is_back(
        self, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache = cache_on(redis_client)
        cache.put(TEXTS, {"a": b"1"})
        redis_client.delete("{aegis}:intact")
        assert not Recovery(redis_client).intact()

        assert cache.get(TEXTS, ["a", "b"]) == {}
        assert cache.get(TEXTS, ["a"]) == {}
        cache.put(TEXTS, {"b": b"2"})
        declare_intact(redis_client)

        assert cache.get(TEXTS, ["a", "b"]) == {"a": b"1"}
        assert cache.figures().asked[TEXTS, CacheOutcome.FAILED] == 3
        assert len(caplog.records) == 1, "it is said once in a while, not each time"

    def test_nobody_listening_is_a_miss(self, tmp_path: Path) -> None:
        with connect_to(f"unix://{tmp_path}/none.sock") as client:
            cache = cache_on(client)

            cache.put(TEXTS, {"a": b"1"})

            assert cache.get(TEXTS, ["a"]) == {}
