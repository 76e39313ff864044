"""Makes room in a broker that fills up.

First the caches go, then jobs that ended are forgotten before their time, oldest first.
"""

from time import time

from redis import Redis

from rag.settings import Settings
from rag.stores.broker_health import read_health
from rag.stores.redis import connect
from tasks.app import app
from tasks.remains import forget_batch
from tasks.toolbox import Toolbox

SECONDS = 120.0  # that one run may take
FOLLOWED_AFTER = 10.0  # where its worker was killed
KEPT_SECONDS = 300.0  # for which the end of a job can be seen in any case


@app.task(name="aegis.maintenance.make_room")
def make_room() -> str:
    """Forget what is cached, then jobs that ended, but for dead letters, while the broker has little room."""
    tools = app.toolbox
    with tools.jobs.alone("make room", seconds=SECONDS, followed_after=FOLLOWED_AFTER) as alone:
        return f"forgotten early: {forget_early(tools)}" if alone else "another worker makes room"


def forget_early(tools: Toolbox) -> int:
    """How many jobs were forgotten."""
    count, settings = 0, tools.settings
    with connect(settings) as client:
        if _tight(client, settings):
            tools.cache.clear()
        while _tight(client, settings):
            batch = forget_batch(tools, finished_before=time() - KEPT_SECONDS)
            if not batch:
                break
            count += batch
    return count


def _tight(client: Redis, settings: Settings) -> bool:
    return read_health(client, may_forget=settings.broker_may_forget).tight
