"""The broker: how fast it answers, whether it keeps what it accepts, and what it holds."""

from collections.abc import Iterator
from statistics import median

from redis import Redis

from cli.examination.finding import Finding, found, timed
from rag.errors import AegisError
from rag.model import JobState
from rag.settings import Settings
from rag.stores.broker_health import FULL, BrokerHealth, read_health
from rag.stores.jobs import RedisJobStore
from rag.stores.redis import reaching_redis

_MB = 1 << 20
_ROUNDS = 5


def examine(settings: Settings, client: Redis, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers, so whatever is missing is missed. One finding alone when it is away."""
    try:
        condition = read_health(client, may_forget=settings.broker_may_forget)
        ms = median(timed(lambda: _ping(client))[1] for _ in range(_ROUNDS))
    except AegisError as error:
        yield _away(settings, error, running=running)
        return
    yield from _broker(settings, condition, ms)
    yield _memory(condition, settings)
    jobs = RedisJobStore(client, settings)
    yield found("records", lambda: _records(jobs), "wait until they are rebuilt, or start the stack")
    yield found("dead letters", lambda: _dead(jobs))


def _ping(client: Redis) -> None:
    with reaching_redis():
        client.ping()


def _away(settings: Settings, error: AegisError, *, running: bool) -> Finding:
    if settings.embedded_broker and not running:
        return Finding("broker", "note", "bundled, starts with the stack")
    remedy = "look into its log" if settings.embedded_broker else "start the server that REDIS_URL names"
    return Finding("broker", "bad", str(error), remedy)


def _broker(settings: Settings, condition: BrokerHealth, ms: float) -> Iterator[Finding]:
    if not condition.risks and not condition.fault:
        whose = "bundled" if settings.embedded_broker else "REDIS_URL"
        yield Finding("broker", "ok", f"{whose}: keeps what it accepts, evicts nothing", ms=ms)
    for risk in (*condition.risks, *filter(None, [condition.fault])):
        text, _, remedy = risk.partition(": ")
        yield Finding("broker", "bad", text, remedy, ms)


def _memory(condition: BrokerHealth, settings: Settings) -> Finding:
    used, most = condition.used / _MB, condition.most / _MB
    if not most:
        text = f"{used:.0f} MB used, without a bound"
        return Finding("memory", "note", text, "set the server's maxmemory, so that a flood of jobs gets 429")
    text = f"{used:.0f} of {most:.0f} MB used; new jobs get 429 from {FULL * most:.0f} MB on"
    if not condition.full:
        return Finding("memory", "ok", text)
    setting = "BROKER_MEMORY_MB" if settings.embedded_broker else "the server's maxmemory"
    return Finding("memory", "bad", text, f"wait until jobs have ended, or raise {setting}")


def _records(jobs: RedisJobStore) -> Finding:
    _, ms = timed(jobs.ping)
    counts = jobs.counts()
    words = ", ".join(f"{counts[state]} {state}" for state in JobState if counts[state])
    return Finding("records", "ok", f"intact: {words or 'no jobs yet'}", ms=ms)


def _dead(jobs: RedisJobStore) -> Finding:
    dead = jobs.counts()[JobState.DEAD]
    if not dead:
        return Finding("dead letters", "ok", "none")
    return Finding("dead letters", "note", f"jobs that were given up: {dead}", "aegis dlq list")
