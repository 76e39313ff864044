"""A finding a lane: who consumes its queue, and how many jobs wait there."""

from collections.abc import Iterator

from redis import Redis

from cli.examination.finding import Finding, State
from rag.errors import AegisError
from rag.settings import Settings
from rag.stores.heartbeats import Heartbeats, Signs
from rag.stores.jobs import RedisJobStore
from tasks.app import LANES, Lane


def examine(settings: Settings, client: Redis, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers, so workers that are not there are missed."""
    jobs = RedisJobStore(client, settings)
    try:
        signs = Heartbeats(client).read_signs()
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
