"""``python -m tests.integration.firstsubmits``: a process that has just started gets sixteen submits at once.

It begins as the API does. Ends with 0 when each message was sent at once, and to the broker that the
environment names. ``--slow``: fifteen come while the first is made to wait in the middle of Celery's
configuration. ``--unprepared`` leaves out what the API does first.
"""

import sys
import time
from threading import Barrier, Event, Thread

from uuid_utils.compat import uuid7

from rag.model import Job, JobKind, JobState, Stage
from rag.settings import Settings, load
from tasks import app as celery
from tasks.publishing.publishing import require_own_broker
from tasks.submit.submissions import Publisher, prepare

BURST = 16
STAGES = (Stage.EMBED_QUERY, Stage.GENERATE)
"""By turns."""

_begun = Event()


def slow_load() -> Settings:
    """The settings, after the other threads have had their turn."""
    _begun.set()
    time.sleep(0.5)
    return load()


def new_job(stage: Stage) -> Job:
    return Job(str(uuid7()), JobKind.QUERY, JobState.QUEUED, stage, "c", {}, created_at=0.0, queued_at=0.0)


def main(*options: str) -> int:
    if slow := "--slow" in options:
        celery.load = slow_load  # type: ignore[attr-defined]  # as tasks.app has imported it
    settings = load()
    if "--unprepared" not in options:
        prepare(settings)
    publisher, all_here = Publisher(settings), Barrier(BURST)
    faults: list[str] = []
    publisher.observe(lambda able, missed: None if able else faults.append("unable"))

    def submit(number: int) -> None:
        all_here.wait()
        if slow and number:
            _begun.wait(30)
        publisher.send(new_job(STAGES[number % 2]))

    threads = [Thread(target=submit, args=(number,)) for number in range(BURST)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    require_own_broker(settings)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
