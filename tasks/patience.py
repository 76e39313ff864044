"""Waiting for a part that is away, for longer than the attempts of a stage would last.

An object store or an engine that is started anew is away for a minute; a job of many slices goes on
where it was. What was done counts: the time runs from the last progress on.
"""

import json
import logging
from collections.abc import Callable
from functools import wraps
from time import time

from rag.errors import NotFound, Refused, Unavailable
from tasks.run import Next, Outcome, StageRun

SECONDS = 600.0
REST = 10.0  # until it is tried again

_NAME = "away"

log = logging.getLogger(__name__)


def patient(work: Callable[[StageRun], Outcome]) -> Callable[[StageRun], Outcome]:
    """The same work, which comes to the same stage after a rest where a part is away.

    It raises Unavailable when that has been so for ``SECONDS`` without any progress in between, and Refused.
    """

    @wraps(work)
    def patiently(run: StageRun) -> Outcome:
        try:
            return work(run)
        except Refused:
            raise  # which a person has to put right
        except Unavailable as error:
            return _rested(run, error)

    return patiently


def _rested(run: StageRun, error: Unavailable) -> Outcome:
    since, now = _away_since(run), time()
    if now - since > SECONDS:
        raise error
    run.keep(_NAME, json.dumps([since, run.job.progress.done]).encode())
    log.warning("job %s rests at %s, for %.0f s by now: %s", run.job.id, run.job.stage, now - since, error)
    return Next(run.job.stage, rest=REST)


def _away_since(run: StageRun) -> float:
    """When the job last went on, as far as it is known; the present time for one that just did."""
    try:
        since, done = json.loads(run.kept(_NAME))
    except NotFound:
        return time()
    return float(since) if done == run.job.progress.done else time()
