"""Slots of model servers, counted over all workers."""

import time
from collections import Counter
from collections.abc import Callable

import pytest
import redis

from rag.errors import Overloaded, Unavailable
from rag.redis import slots as module
from rag.redis.slots import Slots

A, B = "http://a:11434", "http://user:secret@b:11434"


@pytest.fixture
def slots(redis_client: redis.Redis) -> Slots:
    return Slots(redis_client, [A, B], limit=2)


def test_load_is_shared_and_bounded_over_workers(redis_client: redis.Redis, slots: Slots) -> None:
    workers = [Slots(redis_client, urls, limit=2) for urls in ([A, B], [B, A])]

    taken = Counter(workers[n % 2].take(f"call {n}") for n in range(4))

    assert taken == {A: 2, B: 2}
    with pytest.raises(Overloaded, match="2 at once"):
        slots.take("one more")


def test_a_freed_slot_is_taken_next(slots: Slots) -> None:
    places = {f"call {n}": slots.take(f"call {n}") for n in range(4)}

    slots.free(places["call 1"], "call 1")

    assert slots.take("next") == places["call 1"]


def test_taking_twice_takes_one(slots: Slots) -> None:
    assert len({slots.take("call") for _ in range(9)}) == 1


def test_a_replica_that_failed_is_left_alone_for_a_while(slots: Slots) -> None:
    slots.avoid(A, 0.3)

    assert [slots.take(f"call {n}") for n in range(2)] == [B, B]
    with pytest.raises(Overloaded):
        slots.take("one more")
    wait_for(lambda: slots.take("one more") == A)


def test_all_left_alone_tells_when_the_first_is_not(slots: Slots) -> None:
    slots.avoid(A, 50)
    slots.avoid(B, 2)

    with pytest.raises(Unavailable) as raised:
        slots.take("call")

    assert raised.value.retry_after == pytest.approx(2, abs=0.5)


def test_the_only_replica_is_never_left_alone(redis_client: redis.Redis) -> None:
    single = Slots(redis_client, [A], limit=1)

    single.avoid(A, 50)

    assert single.take("call") == A


def test_a_slot_of_a_dead_worker_ends_and_a_renewed_one_lasts(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOT_SECONDS", 0.4)
    single = Slots(redis_client, [A], limit=2)
    single.take("dead")
    single.take("alive")

    def next_is_in() -> bool:
        single.renew(A, "alive")
        return single.take("next") == A

    wait_for(next_is_in)
    with pytest.raises(Overloaded):
        single.take("one more")


def test_slots_from_before_the_clock_was_put_back_are_forgotten(redis_client: redis.Redis) -> None:
    single = Slots(redis_client, [A], limit=1)
    single.take("call")
    (key,) = redis_client.keys("{aegis}:slots:*")
    redis_client.zadd(key, {"call": time.time() + 3600})

    assert single.take("next") == A


def test_no_secret_and_no_other_prefix_is_in_redis(redis_client: redis.Redis, slots: Slots) -> None:
    slots.take("call")
    slots.avoid(B, 10)

    keys = [key.decode() for key in redis_client.keys("*")]

    assert all(key.startswith("{aegis}:") and "secret" not in key for key in keys)


def wait_for(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except Overloaded:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def test_the_breaker_counts_as_open_while_all_are_left_alone(slots: Slots) -> None:
    slots.avoid(A, 50)
    assert not slots.state().breaker_open

    slots.avoid(B, 50)

    assert slots.state().breaker_open
    assert not slots.state().rate_limited
