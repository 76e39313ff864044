"""Queues: for each lane, which workers consume it and how many jobs wait."""

from collections.abc import Iterator

from redis import Redis

from cli.doctor.finding import Finding, State
from rag.errors import AegisError
from rag.jobs import RedisJobStore
from rag.redis.heartbeats import Heartbeats
from rag.settings import Settings
from tasks.lanes import LANES


def examine(settings: Settings, client: Redis, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers, so workers must be there."""
    jobs = RedisJobStore(client, settings)
    try:
        signs = Heartbeats(client).read_signs()
        for lane in LANES:
            waiting = sum(jobs.depth(stage) for stage in lane.stages)
            workers = signs.lane(lane.name)
            hung = [f"{sign.worker}: {why}" for sign in workers if (why := sign.hang())]
            alive = len(workers) - len(hung)
            state: State = "ok" if alive and not hung else "bad" if running or hung else "note"
            text = "; ".join([f"{alive} worker{'s' * (alive != 1)}, {waiting} waiting", *hung])
            start = f"start a worker: celery -A workers.main worker --queues {lane.name} …"
            yield Finding(f"queue {lane.name}", state, text, "" if state == "ok" else start)
    except AegisError as error:
        yield Finding("queues", "bad", str(error))
