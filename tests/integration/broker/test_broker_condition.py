"""What is known of a broker before it is trusted with jobs, and what a full one takes."""

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rag.errors import ConfigurationError, Overloaded, Unavailable
from rag.redis import embedded, health
from rag.redis.connection import connect, connect_to
from rag.redis.health import BrokerWatch, read_health, wait_until_safe
from rag.settings import Settings
from tests.integration.brokers import ready, valkey_with

MB = 1 << 20


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(redis_url=None, aegis_home=tmp_path, broker_memory_mb=16)


@pytest.fixture
def bundled(settings: Settings) -> Iterator[redis.Redis]:
    server = subprocess.Popen(embedded.command(settings))
    try:
        ready(settings, 30)
        with connect(settings) as client:
            yield client
    finally:
        server.kill()
        server.wait(10)


@pytest.fixture
def forgetful() -> Iterator[str]:
    """Address of a server that appends nothing to a log."""
    with valkey_with("--appendonly", "no") as address:
        yield address


@pytest.fixture
def without_log(forgetful: str) -> Iterator[redis.Redis]:
    with connect_to(forgetful) as client:
        yield client


def test_the_bundled_broker_has_no_risk_and_a_bound(bundled: redis.Redis) -> None:
    found = read_health(bundled, may_forget=False)

    assert found.risks == ()
    assert found.most == 16 * MB
    assert not found.full


def test_a_broker_that_forgets_is_a_risk_unless_that_is_accepted(without_log: redis.Redis) -> None:
    (risk,) = read_health(without_log, may_forget=False).risks

    assert "appendonly is off" in risk
    assert "BROKER_MAY_FORGET=true" in risk
    assert read_health(without_log, may_forget=True).risks == ()


def test_eviction_is_a_risk_that_nothing_waives(without_log: redis.Redis) -> None:
    without_log.config_set("maxmemory-policy", "allkeys-lru")

    (risk,) = read_health(without_log, may_forget=True).risks

    assert len(read_health(without_log, may_forget=False).risks) == 2
    assert "allkeys-lru" in risk
    assert "set it to noeviction" in risk


def test_a_replica_is_a_risk(bundled: redis.Redis) -> None:
    bundled.replicaof("127.0.0.1", 1)

    assert any("must name the primary" in risk for risk in read_health(bundled, may_forget=False).risks)


def test_a_risk_ends_the_wait(forgetful: str) -> None:
    with pytest.raises(ConfigurationError, match="appendonly is off"):
        wait_until_safe(Settings(redis_url=forgetful))


def test_a_broker_that_comes_late_is_waited_for(settings: Settings) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class StartsWhenMissed(logging.Handler):
        """Starts the broker once somebody says that it is waited for."""

        def emit(self, record: logging.LogRecord) -> None:
            if not started and "waiting for the broker" in record.getMessage():
                started.append(subprocess.Popen(embedded.command(settings)))

    starter = StartsWhenMissed()
    health.log.addHandler(starter)
    try:
        wait_until_safe(settings)

        assert started
    finally:
        health.log.removeHandler(starter)
        for server in started:
            server.kill()
            server.wait(10)


def test_a_broker_that_stays_away_is_waited_for_so_long_and_no_longer(settings: Settings) -> None:
    with pytest.raises(Unavailable, match=r"was away for 0\.1 s"):
        wait_until_safe(settings, patience=0.1)


def test_a_broker_that_is_away_takes_no_job(settings: Settings) -> None:
    with connect_to(settings.records_url) as client, pytest.raises(Unavailable):
        BrokerWatch(client, settings).admit()


def test_a_full_broker_takes_no_job_until_there_is_room(
    bundled: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_FRESH_SECONDS", 0)
    watch = BrokerWatch(bundled, settings)
    watch.admit()

    for part in range(6):
        bundled.set(f"filling-{part}", bytes(2 * MB))
    with pytest.raises(Overloaded, match="BROKER_MEMORY_MB") as refusal:
        watch.admit()
    bundled.execute_command("FLUSHALL", "SYNC")  # memory is free when it answers

    assert refusal.value.retry_after
    watch.admit()
