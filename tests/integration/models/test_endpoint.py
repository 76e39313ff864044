"""What all workers together know of a far server: its pace and its circuit breaker, on a real Redis."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import redis

from rag.redis import rate_limiter
from rag.redis.rate_limiter import FAILURES, Admission, CircuitOpen, RateLimiter, ServerState
from tests.system.running import until

SERVER = "http://far/v1 key"


@pytest.fixture
def endpoint(redis_client: redis.Redis) -> RateLimiter:
    return RateLimiter(redis_client, SERVER, probe_seconds=5)


def admitted(endpoint: RateLimiter, tokens: int = 10, *, urgent: bool = False) -> Admission:
    allowed = endpoint.enter(tokens, urgent=urgent)
    assert isinstance(allowed, Admission)
    return allowed


def wait_of(endpoint: RateLimiter, *, urgent: bool = False) -> float:
    allowed = endpoint.enter(10, urgent=urgent)
    assert isinstance(allowed, float)
    return allowed


def rate(client: redis.Redis, kind: str = "requests") -> float:
    (key,) = client.keys("{aegis}:endpoint:*")
    return float(client.hget(key, kind) or 0)


def test_there_is_no_limit_before_the_first_refusal(endpoint: RateLimiter, redis_client: redis.Redis) -> None:
    for _ in range(200):
        endpoint.note_answer(admitted(endpoint, 1_000_000), 1_000_000)
    assert rate(redis_client) == 0


def test_a_refusal_halves_what_went_there_and_pauses_everybody(
    endpoint: RateLimiter, redis_client: redis.Redis
) -> None:
    # given a hundred calls within a moment, which is 400 a minute with a memory of 15 s
    calls = [admitted(endpoint, 5_000) for _ in range(100)]
    # when one of them is refused
    endpoint.note_refusal(calls[-1], retry_after=7)
    # then half of that is the rate, and another worker waits as long as the server asked for
    assert rate(redis_client) == pytest.approx(200, rel=0.1)
    assert rate(redis_client, "tokens") == pytest.approx(1_000_000, rel=0.1)
    elsewhere = RateLimiter(redis_client, SERVER, probe_seconds=5)
    assert 6 < wait_of(elsewhere, urgent=True) <= 7
    assert 6 < wait_of(elsewhere) <= 7
    # and a server with another key, or another address, is another server
    admitted(RateLimiter(redis_client, "http://far/v1 other", probe_seconds=5))


def test_calls_that_were_let_in_together_are_one_refusal(
    endpoint: RateLimiter, redis_client: redis.Redis
) -> None:
    calls = [admitted(endpoint) for _ in range(100)]
    for call in calls:
        endpoint.note_refusal(call, retry_after=0)
    assert rate(redis_client) == pytest.approx(200, rel=0.1)

    # a call that was let in later, and is refused still, halves it once more
    until(lambda: not isinstance(endpoint.enter(10, urgent=True), float))
    endpoint.note_refusal(admitted_when_ready(endpoint), retry_after=0)
    assert rate(redis_client) == pytest.approx(100, rel=0.1)


def admitted_when_ready(endpoint: RateLimiter, *, urgent: bool = False) -> Admission:
    allowed: list[Admission | float] = []
    until(lambda: isinstance(allowed.append(endpoint.enter(10, urgent=urgent)) or allowed[-1], Admission))
    assert isinstance(allowed[-1], Admission)
    return allowed[-1]


def test_answers_raise_the_rate_a_little(endpoint: RateLimiter, redis_client: redis.Redis) -> None:
    endpoint.note_refusal([admitted(endpoint) for _ in range(100)][-1], retry_after=0)
    before = rate(redis_client)

    call = admitted_when_ready(endpoint)
    endpoint.note_answer(call, 10)

    assert rate(redis_client) == pytest.approx(before + 0.25)


def test_urgent_calls_go_before_bulk_ones(endpoint: RateLimiter) -> None:
    # given a rate, and bulk calls that used it up and more
    endpoint.note_refusal([admitted(endpoint) for _ in range(200)][-1], retry_after=0)
    call = admitted_when_ready(endpoint)
    endpoint.note_answer(call, 5_000_000)  # it took more than anybody thought
    # then the next bulk call waits for long, and an urgent one goes
    assert wait_of(endpoint) > 60
    admitted_when_ready(endpoint, urgent=True)


HAMMER = """
import sys, time
from rag.redis.rate_limiter import Admission, RateLimiter
from rag.redis.connection import connect_to
endpoint = RateLimiter(connect_to(sys.argv[1]), sys.argv[2], probe_seconds=5)
went, end = 0, time.monotonic() + 2
while time.monotonic() < end:
    allowed = endpoint.enter(1, urgent=False)
    went += isinstance(allowed, Admission)
    time.sleep(0.002)
print(went)
"""


def test_two_processes_share_the_limit(endpoint: RateLimiter, valkey: str, redis_client: redis.Redis) -> None:
    # given a rate of 600 a minute, ten a second
    endpoint.note_refusal([admitted(endpoint) for _ in range(300)][-1], retry_after=0)
    assert rate(redis_client) == pytest.approx(600, rel=0.1)
    # when two processes call as fast as they can, for two seconds
    command = [sys.executable, "-c", HAMMER, valkey, SERVER]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    began = time.monotonic()
    went = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    took = time.monotonic() - began
    # then both together keep to it: a burst of six seconds' worth, and what came since
    assert min(went) > 0
    assert sum(went) <= 60 + 10.5 * took


def test_failures_in_a_row_open_the_circuit_for_everybody(
    endpoint: RateLimiter, redis_client: redis.Redis
) -> None:
    for _ in range(FAILURES - 1):
        admitted(endpoint)
        endpoint.note_failure()
    admitted(endpoint)
    endpoint.note_failure()

    with pytest.raises(CircuitOpen) as caught:
        RateLimiter(redis_client, SERVER, probe_seconds=5).enter(1, urgent=True)

    assert 0 < (caught.value.retry_after or 0) <= rate_limiter.FIRST_PAUSE


def test_an_answer_in_between_starts_the_count_again(endpoint: RateLimiter) -> None:
    for _ in range(3 * FAILURES):
        endpoint.note_failure()
        endpoint.note_answer(admitted(endpoint), 1)


@pytest.fixture
def opened(endpoint: RateLimiter, monkeypatch: pytest.MonkeyPatch) -> RateLimiter:
    """One whose circuit opened just now, for a moment."""
    monkeypatch.setattr(rate_limiter, "FIRST_PAUSE", 0.05)
    for _ in range(FAILURES):
        endpoint.note_failure()
    return endpoint


def goes(endpoint: RateLimiter) -> bool:
    try:
        return isinstance(endpoint.enter(1, urgent=True), Admission)
    except CircuitOpen:
        return False


def test_one_probe_goes_out_and_its_answer_closes_the_circuit(opened: RateLimiter) -> None:
    until(lambda: goes(opened))
    assert not goes(opened), "while the probe is under way"
    opened.note_answer(Admission("0", 1), 1)
    assert goes(opened)
    assert goes(opened)


def told_to_wait(endpoint: RateLimiter) -> float:
    with pytest.raises(CircuitOpen) as caught:
        endpoint.enter(1, urgent=True)
    return caught.value.retry_after or 0


def test_a_probe_that_fails_opens_it_for_longer(opened: RateLimiter) -> None:
    until(lambda: goes(opened))
    opened.note_failure()
    assert 0.05 < told_to_wait(opened) <= 0.1


@pytest.mark.parametrize("act", [RateLimiter.note_failure, lambda e: e.note_refusal(Admission("0", 1), 9)])
def test_times_from_before_the_clock_was_put_back_do_not_last(
    endpoint: RateLimiter, redis_client: redis.Redis, act: Callable[[RateLimiter], None]
) -> None:
    # given a pause, and an open circuit, that lie a day ahead
    act(endpoint)
    (key,) = redis_client.keys("{aegis}:endpoint:*")
    ahead = str(time.time() + 86_400)
    redis_client.hset(
        key, mapping={"paused": ahead, "opened": ahead, "probe": ahead, "filled": ahead, "failures": 99}
    )
    redis_client.hdel(key, "requests", "tokens")
    # then the next call goes as the probe
    assert goes(endpoint)


def test_nothing_is_kept_of_a_server_that_nobody_calls(
    endpoint: RateLimiter, redis_client: redis.Redis
) -> None:
    admitted(endpoint)
    (key,) = redis_client.keys("{aegis}:endpoint:*")
    assert 0 < redis_client.ttl(key) <= 3600


def test_its_state_tells_that_calls_fail_at_once_until_one_is_answered(endpoint: RateLimiter) -> None:
    assert endpoint.state() == ServerState(breaker_open=False, rate_limited=False)

    for _ in range(FAILURES):
        endpoint.note_failure()
    assert endpoint.state() == ServerState(breaker_open=True, rate_limited=False)

    endpoint.note_answer(Admission("0", 10), 10)
    assert endpoint.state() == ServerState(breaker_open=False, rate_limited=False)


def test_its_state_tells_that_the_server_wants_fewer_calls(endpoint: RateLimiter) -> None:
    endpoint.note_refusal(admitted(endpoint), retry_after=0)

    assert endpoint.state() == ServerState(breaker_open=False, rate_limited=True)
    assert endpoint.state() == endpoint.state(), "asking changes nothing"
