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
from rag.subjects import named
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
            outcome = work(run)
        except Refused:
            raise  # which a person has to put right
        except Unavailable as error:
            return _rest(run, error)
        _go_on(run)
        return outcome

    return patiently


def _rest(run: StageRun, error: Unavailable) -> Outcome:
    since, now = _away_since(run), time()
    if now - since > SECONDS:
        raise error
    run.keep(_NAME, json.dumps([since, run.job.progress.done]).encode())
    log.warning("%s rests at %s, for %.0f s by now: %s", named(run.job), run.job.stage, now - since, error)
    return Next(run.job.stage, rest=max(REST, error.retry_after or 0.0))


def _go_on(run: StageRun) -> None:
    """What was away is there again: the next time counts from its own begin."""
    if _noted(run) is not None:
        run.keep(_NAME, json.dumps(None).encode())


def _away_since(run: StageRun) -> float:
    """When the job last went on, as far as it is known; the present time for one that just did."""
    noted = _noted(run)
    return noted[0] if noted and noted[1] == run.job.progress.done else time()


def _noted(run: StageRun) -> tuple[float, int] | None:
    """Since when something was away, and what was done by then; None while nothing is."""
    try:
        found = json.loads(run.kept(_NAME))
    except NotFound:
        return None
    return found and (float(found[0]), int(found[1]))
