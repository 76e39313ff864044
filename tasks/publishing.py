"""How a process gets ready to publish, before any of its threads does; and what it does while it cannot.

Celery reads its configuration at the first use, and what is half read is shown to other threads: the
pool that one of them makes then leads to ``amqp://guest@localhost:5672`` for the life of the process.
So whoever publishes calls :func:`prepare` first, in the one thread that there is by then.
"""

import logging
from collections.abc import Callable, Iterator
from threading import Lock, Thread
from time import sleep
from typing import Any

from kombu import Connection

from rag.errors import ConfigurationError
from rag.model import Job
from rag.settings import Settings
from tasks.app import CANARY, app, jittered, lane_named
from tasks.bells import announce
from tasks.broker import broker_settings, sending
from tasks.canary import canaries

_FIRST_SECONDS, _LONGEST_SECONDS = 0.25, 2.0
"""Between two attempts to publish again. Both are short: meanwhile, workers hear of jobs a little later."""

log = logging.getLogger(__name__)


def prepare(settings: Settings) -> None:
    """Complete configuration, registry and pools of the Celery app, and look where they lead.

    A forked process calls it anew, since it may not use its parent's pools. Nothing is sent.
    ConfigurationError when messages would go to another server than ``settings`` name.
    """
    app.finalize()
    app.renew_pools()
    require_own_broker(settings)


def require_own_broker(settings: Settings) -> None:
    """ConfigurationError unless the app's pools, and its consumers, are led to the server of ``settings``.

    ``CELERY_BROKER_URL`` and its like, and ``celery --broker``, are stronger than any configuration.
    """
    wanted = broker_settings(settings)
    own = Connection(wanted["broker_url"], ssl=wanted["broker_use_ssl"])
    pool: Any = app.pool  # both are typed as what they are not
    producers: Any = app.producer_pool
    used = (pool.connection, producers.connections.connection, app.connection_for_read())
    for connection in used:
        if _place(connection) != _place(own):
            raise ConfigurationError(
                f"Celery would use the broker {connection.as_uri()} instead of {own.as_uri()}: unset "
                "CELERY_BROKER_URL, CELERY_BROKER_READ_URL and CELERY_BROKER_WRITE_URL, leave out --broker"
            )


def _place(connection: Connection) -> tuple[Any, ...]:
    """What of a connection, not opened yet, says whereto and as whom."""
    names = ("transport_cls", "hostname", "port", "userid", "password", "virtual_host", "alt", "ssl")
    return tuple(getattr(connection, name) for name in names)


class Publisher:
    """Rings for recorded jobs, for many threads; knows whether it can, and heals by itself.

    When a message could not be sent, a thread makes the connections anew and tries until one can be. Until
    then nothing is sent for a job, since each would wait for the broker's timeouts: the workers' canaries
    find the jobs by their records, within seconds.
    """

    def __init__(self, settings: Settings, send: Callable[[Job], None] = announce) -> None:
        self._settings = settings
        self._send = send
        self._lock = Lock()
        self._fault: str | None = None
        self._notice: Callable[[bool, int], None] = _tell_nobody
        self._healing = False
        self._renewed = 0

    @property
    def fault(self) -> str | None:
        """Why nothing can be published by this process now; None when it can."""
        return self._fault

    def observe(self, notice: Callable[[bool, int], None]) -> None:
        """Have ``notice`` told whether this process can publish, and how many more jobs it could not."""
        self._notice = notice
        notice(self._fault is None, 0)

    def prove(self) -> None:
        """Publish a message that does nothing, in a thread, until that succeeds."""
        with self._lock:
            self._heal()

    def send(self, job: Job) -> None:
        """Ring for a recorded job, where that is possible: raises nothing."""
        while self._fault is None:
            renewed = self._renewed
            try:
                self._send(job)
            except Exception as error:  # noqa: BLE001 - the job is recorded, so no error may be answered
                if renewed == self._renewed:  # else it failed over connections that are replaced already
                    self._miss(error)
                    return
            else:
                return
        self._notice(False, 1)

    def _miss(self, error: Exception) -> None:
        with self._lock:
            self._fail(error)
            self._heal()
        self._notice(False, 1)

    def _fail(self, error: Exception) -> None:
        """Say why, once in a row of failures."""
        if self._fault is None:
            log.error(
                "this process cannot tell workers of jobs: they are recorded, and found in seconds: %r", error
            )
        self._fault = repr(error)
        self._notice(False, 0)

    def _heal(self) -> None:
        if not self._healing:
            self._healing = True
            Thread(target=self._try_again, name="publisher", daemon=True).start()

    def _try_again(self) -> None:
        for seconds in _pauses():
            try:
                app.renew_pools()
                self._renewed += 1
                require_own_broker(self._settings)
                _publish_nothing()
            except Exception as error:  # noqa: BLE001 - whatever it is, this thread alone can mend it
                with self._lock:
                    self._fail(error)
                sleep(jittered(seconds))
            else:
                self._recover()
                return

    def _recover(self) -> None:
        with self._lock:
            if self._fault is not None:
                log.warning("jobs can be queued by this process again")
            self._fault, self._healing = None, False
        self._notice(True, 0)


def _tell_nobody(_able: bool, _missed: int) -> None:
    """Until somebody watches."""


def _pauses() -> Iterator[float]:
    """Seconds, longer from one to the next."""
    seconds = _FIRST_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, _LONGEST_SECONDS)


def _publish_nothing() -> None:
    """Send a canary as jobs are sent, unless one waits to be taken."""
    lane = lane_named("maintenance")
    with sending(), app.producer_or_acquire() as producer:
        if not canaries(producer.channel, lane):
            app.send_task(CANARY, args=[lane.name], queue=lane.name, producer=producer)
