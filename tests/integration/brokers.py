"""Waiting for a bundled broker that a test started itself."""

import time

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from rag.settings import Settings

_POLL = 0.02  # seconds


def ready(settings: Settings, timeout: float) -> None:
    """Return when the server answers and has read its log; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    with Redis.from_url(settings.records_url, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            try:
                client.ping()
            except RedisError as error:  # not there yet, or still reading its log
                if time.monotonic() > deadline:
                    raise AssertionError(f"the broker is not ready after {timeout:g} s") from error
                time.sleep(_POLL)
            else:
                return
