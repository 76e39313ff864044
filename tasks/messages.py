"""Sending a job's message once its record says that it is due; the sweeper does it where that fails."""

import logging

from rag.model import Job
from rag.subjects import named
from tasks.app import PUBLISH_ERRORS, announce, publish

log = logging.getLogger(__name__)


def send(job: Job, *, delay: float = 0.0, apart: bool = False) -> None:
    """``apart``: the job needs a message of its own, since nobody takes it beside others.

    So does every job that was begun before, and one that is to wait for ``delay`` seconds.
    """
    try:
        if apart or delay or job.attempts:
            publish(job, delay=delay)
        else:
            announce(job)
    except PUBLISH_ERRORS as error:
        log.warning("%s is due at %s but not queued yet, the sweeper will: %s", named(job), job.stage, error)
