"""What ``aegis doctor`` finds out about a service that runs: broker, records, queues, workers, engine."""

from collections.abc import Iterator

from redis import Redis

from cli.finding import Finding, State, found
from rag.errors import AegisError, Unavailable
from rag.model import JobState
from rag.settings import Settings
from rag.stores.condition import FULL, Condition, condition_of
from rag.stores.heartbeats import Heartbeats, Signs
from rag.stores.jobs import RedisJobStore
from rag.stores.redis import connect
from rag.stores.vectors.remote import RemoteVectorStore
from tasks.app import LANES, Lane

_MB = 1 << 20
_ENGINE_SECONDS = 5.0


def examine(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers, so whatever is missing is missed."""
    with connect(settings) as client:
        try:
            condition = condition_of(client, may_forget=settings.broker_may_forget)
        except Unavailable as error:
            yield _no_broker(settings, error, running=running)
            return
        yield from _broker(condition)
        yield _memory(condition, settings)
        jobs = RedisJobStore(client, settings)
        yield found("records", lambda: _records(jobs), "wait until they are rebuilt, or start the stack")
        yield found("dead letters", lambda: _dead(jobs))
        yield from _workers(client, jobs, running=running)
    yield _engine(settings, running=running)


def _no_broker(settings: Settings, error: Unavailable, *, running: bool) -> Finding:
    if settings.embedded_broker and not running:
        return Finding("broker", "note", "bundled, starts with the stack")
    remedy = "look into its log" if settings.embedded_broker else "start the server that REDIS_URL names"
    return Finding("broker", "bad", str(error), remedy)


def _broker(condition: Condition) -> Iterator[Finding]:
    if not condition.risks:
        yield Finding("broker", "ok", "answers, keeps what it accepts and evicts nothing")
    for risk in condition.risks:
        text, _, remedy = risk.partition(": ")
        yield Finding("broker", "bad", text, remedy)


def _memory(condition: Condition, settings: Settings) -> Finding:
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
    jobs.ping()
    counts = jobs.counts()
    words = ", ".join(f"{counts[state]} {state}" for state in JobState if counts[state])
    return Finding("records", "ok", f"intact: {words or 'no jobs yet'}")


def _dead(jobs: RedisJobStore) -> Finding:
    dead = jobs.counts()[JobState.DEAD]
    if not dead:
        return Finding("dead letters", "ok", "none")
    return Finding("dead letters", "note", f"{dead} jobs were given up", "aegis dlq list")


def _workers(client: Redis, jobs: RedisJobStore, *, running: bool) -> Iterator[Finding]:
    """A finding a lane: who consumes its queue, and how many jobs wait there."""
    try:
        signs = Heartbeats(client).seen()
        for lane in LANES:
            yield _lane(lane, signs, sum(jobs.depth(stage) for stage in lane.stages), running=running)
    except AegisError as error:
        yield Finding("queues", "bad", str(error))


def _lane(lane: Lane, signs: Signs, waiting: int, *, running: bool) -> Finding:
    workers = signs.lane(lane.name)
    hung = [f"{sign.worker}: {why}" for sign in workers if (why := sign.hang())]
    alive = len(workers) - len(hung)
    state: State = "ok" if alive and not hung else "bad" if running or hung else "note"
    text = "; ".join([f"{alive} worker{'s' * (alive != 1)}, {waiting} waiting", *hung])
    remedy = "" if state == "ok" else f"start a worker: celery -A workers.main worker --queues {lane.name} …"
    return Finding(f"queue {lane.name}", state, text, remedy)


def _engine(settings: Settings, *, running: bool) -> Finding:
    engine = RemoteVectorStore(settings.vector_socket, timeout=_ENGINE_SECONDS)
    try:
        engine.ping()
    except AegisError as error:
        if running:
            return Finding("vectors", "bad", str(error), "look into the vector engine's log")
        return Finding("vectors", "note", "not running, starts with the stack")
    finally:
        engine.close()
    return Finding("vectors", "ok", "the engine answers")
