"""A worker with a solo pool bounds its tasks by itself."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from workers.time_limits import TimeLimits


@pytest.fixture
def limits() -> Iterator[TimeLimits]:
    """The signal and the timer are given back: pytest-timeout has them."""
    handler, timer = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 0)
    made = TimeLimits({"parse": 2.0})
    yield made
    made.end()
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


def test_a_task_past_the_soft_limit_is_interrupted(limits: TimeLimits) -> None:
    limits.begin("parse", "one")

    with pytest.raises(SoftTimeLimitExceeded):
        time.sleep(10)


def test_a_task_that_has_ended_is_not_interrupted_later(limits: TimeLimits) -> None:
    limits.begin("parse", "one")

    limits.end()

    time.sleep(1.2)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_task_from_a_queue_without_a_limit_is_not_interrupted(limits: TimeLimits) -> None:
    limits.begin("embed-query", "one")

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_task_that_heeds_no_interruption_ends_the_worker() -> None:
    program = """
        import time
        from contextlib import suppress
        from celery.exceptions import SoftTimeLimitExceeded
        from workers.time_limits import TimeLimits

        TimeLimits({"parse": 1.5}).begin("parse", "one")
        while True:
            with suppress(SoftTimeLimitExceeded):
                time.sleep(60)
    """

    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == -signal.SIGKILL
    assert "task one has run for 1.5 s, its limit" in ended.stderr
