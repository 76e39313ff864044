"""The broker: how fast it answers, whether it keeps what it accepts, and what it holds."""

from collections.abc import Iterator
from statistics import median

from redis import Redis

from cli.doctor.finding import Finding, run_check, timed
from rag.errors import AegisError
from rag.jobs import RedisJobStore
from rag.model import JobState
from rag.redis.connection import reaching_redis
from rag.redis.health import FULL, BrokerHealth, read_health
from rag.settings import Settings

_MB = 1 << 20
_ROUNDS = 5


def examine(settings: Settings, client: Redis, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers, so the broker must be there. One finding alone when it is not."""
    bundled = settings.embedded_broker
    try:
        condition = read_health(client, may_forget=settings.broker_may_forget)
        with reaching_redis():
            ms = median(timed(client.ping)[1] for _ in range(_ROUNDS))
    except AegisError as error:
        remedy = "look into its log" if bundled else "start the server that REDIS_URL names"
        if bundled and not running:
            yield Finding("broker", "note", "bundled, starts with the stack")
        else:
            yield Finding("broker", "bad", str(error), remedy)
        return
    faults = [*condition.risks, *filter(None, [condition.fault])]
    if not faults:
        whose = "bundled" if bundled else "REDIS_URL"
        yield Finding("broker", "ok", f"{whose}: keeps what it accepts, evicts nothing", ms=ms)
    for fault in faults:
        text, _, remedy = fault.partition(": ")
        yield Finding("broker", "bad", text, remedy, ms)
    yield _check_memory(condition, settings)
    yield from _check_records(RedisJobStore(client, settings))


def _check_memory(condition: BrokerHealth, settings: Settings) -> Finding:
    used, most = condition.used / _MB, condition.most / _MB
    if not most:
        text = f"{used:.0f} MB used, without a bound"
        return Finding("memory", "note", text, "set the server's maxmemory, so that a flood of jobs gets 429")
    text = f"{used:.0f} of {most:.0f} MB used; new jobs get 429 from {FULL * most:.0f} MB on"
    if not condition.full:
        return Finding("memory", "ok", text)
    setting = "BROKER_MEMORY_MB" if settings.embedded_broker else "the server's maxmemory"
    return Finding("memory", "bad", text, f"wait until jobs have ended, or raise {setting}")


def _check_records(jobs: RedisJobStore) -> Iterator[Finding]:
    def count() -> Finding:
        _, ms = timed(jobs.ping)
        counts = jobs.counts()
        words = ", ".join(f"{counts[state]} {state}" for state in JobState if counts[state])
        return Finding("records", "ok", f"intact: {words or 'no jobs yet'}", ms=ms)

    def count_dead() -> Finding:
        dead = jobs.counts()[JobState.DEAD]
        if not dead:
            return Finding("dead letters", "ok", "none")
        return Finding("dead letters", "note", f"jobs that were given up: {dead}", "aegis dlq list")

    yield run_check("records", count, "wait until they are rebuilt, or start the stack")
    yield run_check("dead letters", count_dead)
