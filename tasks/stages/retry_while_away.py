"""Waiting for a service that is away, for longer than the attempts of a stage would last.

An object store or an engine that restarts is away for a minute. A job of many slices then goes on
where it was. The time to wait begins anew with each progress of the job.
"""

import json
import logging
from collections.abc import Callable
from functools import wraps
from time import time

from rag.errors import NotFound, Refused, Unavailable
from rag.jobs.subjects import named
from tasks.stages.run import Next, Outcome, StageRun

SECONDS = 600.0
REST = 10.0  # between two tries

_NAME = "away"

log = logging.getLogger(__name__)


def patient(work: Callable[[StageRun], Outcome]) -> Callable[[StageRun], Outcome]:
    """The same work, which is tried again at its stage, after a rest, where a service is away.

    It raises Unavailable after ``SECONDS`` without any progress, and Refused at once.
    """

    @wraps(work)
    def patiently(run: StageRun) -> Outcome:
        try:
            outcome = work(run)
        except Refused:
            raise  # a person has to repair that
        except Unavailable as error:
            return _rest(run, error)
        if _waited_since(run) is not None:
            run.save(_NAME, json.dumps(None).encode())  # the next wait counts from its own beginning
        return outcome

    return patiently


def _rest(run: StageRun, error: Unavailable) -> Outcome:
    now, waited = time(), _waited_since(run)
    # progress since the last wait means that the service was back in between
    since = waited[0] if waited and waited[1] == run.job.progress.done else now
    if now - since > SECONDS:
        raise error
    run.save(_NAME, json.dumps([since, run.job.progress.done]).encode())
    log.warning("%s waits at %s, for %.0f s by now: %s", named(run.job), run.job.stage, now - since, error)
    return Next(run.job.stage, rest=max(REST, error.retry_after or 0.0), why=error)


def _waited_since(run: StageRun) -> tuple[float, int] | None:
    """When the job began to wait, and its progress by then. None if it does not wait."""
    try:
        found = json.loads(run.load(_NAME))
    except NotFound:
        return None
    return found and (float(found[0]), int(found[1]))
