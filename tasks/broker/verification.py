"""What a worker does with a message before anything else, where messages are signed."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery.worker.strategy import default

from rag.errors import Forged
from tasks.broker.signing import NAME, check

_QUIET_SECONDS = 60.0

log = logging.getLogger(__name__)


class Doorkeeper:
    """Refuses what is forged, and says so once a minute at most, however many messages there are."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._told_at = float("-inf")
        self._untold = 0

    def refuses(self, message: Any) -> bool:
        """Whether this message of kombu is forged."""
        try:
            check(message)
        except Forged as why:
            self._tell(why)
            return True
        return False

    def _tell(self, why: Forged) -> None:
        self._untold += 1
        if self._clock() - self._told_at >= _QUIET_SECONDS:
            log.error("refused and not run: %d messages, the last one because %s", self._untold, why)
            self._told_at, self._untold = self._clock(), 0


def strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """How a worker handles a task's messages: as Celery does, once they are known to be ours."""
    handle: Callable[..., Any] = default(task, app, consumer, **options)
    if NAME not in app.conf.accept_content:
        return handle
    doorkeeper = Doorkeeper()

    def handle_signed(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> Any:
        if doorkeeper.refuses(message):
            return reject(log, consumer.connection_errors, False)
        return handle(message, body, ack, reject, callbacks)

    return handle_signed
