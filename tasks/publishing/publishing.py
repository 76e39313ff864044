"""How a process prepares to publish messages, and what it does while it cannot.

Celery reads its configuration at the first use, and shows half of it to other threads. A pool that
one of them makes then leads to ``amqp://guest@localhost:5672`` for the life of the process.
So a process that publishes calls :func:`prepare` first, while it has only one thread.
"""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

from kombu import Connection

from rag.errors import ConfigurationError
from rag.model import Job
from rag.settings import Settings
from tasks.app import CANARY, app, broker_settings, jittered, sending
from tasks.lanes import lane_named
from tasks.publishing.bells import announce, canaries

_FIRST_SECONDS, _LONGEST_SECONDS = 0.25, 2.0
"""Pauses between two attempts to publish again. Both are short: meanwhile, workers hear of jobs late."""

log = logging.getLogger(__name__)


def prepare(settings: Settings) -> None:
    """Complete the configuration, registry and pools of the Celery app, and check the server they lead to.

    A forked process calls it again, because it must not use its parent's pools. Nothing is sent.
    Raises ConfigurationError when messages would go to another server than ``settings`` name.
    """
    app.finalize()
    app.renew_pools()
    require_own_broker(settings)


def require_own_broker(settings: Settings) -> None:
    """Raise ConfigurationError unless the app publishes to and consumes from the server of ``settings``.

    ``CELERY_BROKER_URL`` and its like, and ``celery --broker``, are stronger than any configuration.
    """
    wanted = broker_settings(settings)
    own = Connection(wanted["broker_url"], ssl=wanted["broker_use_ssl"])
    pool: Any = app.pool  # Celery's types are wrong for both
    producers: Any = app.producer_pool
    for connection in (pool.connection, producers.connections.connection, app.connection_for_read()):
        if _place(connection) != _place(own):
            raise ConfigurationError(
                f"Celery would use the broker {connection.as_uri()} instead of {own.as_uri()}: unset "
                "CELERY_BROKER_URL, CELERY_BROKER_READ_URL and CELERY_BROKER_WRITE_URL, leave out --broker"
            )


def _place(connection: Connection) -> tuple[Any, ...]:
    """The server, the user and the encryption of a connection that is not opened yet."""
    names = ("transport_cls", "hostname", "port", "userid", "password", "virtual_host", "alt", "ssl")
    return tuple(getattr(connection, name) for name in names)


class Publisher:
    """Rings for recorded jobs, from many threads. It knows whether it can, and repairs itself.

    When a message cannot be sent, a thread renews the connections until one can be sent. Until then
    nothing is sent for a job, because each attempt would wait for the broker's timeouts. The workers'
    canaries find the jobs by their records within seconds.
    """

    def __init__(self, settings: Settings, send: Callable[[Job], None] = announce) -> None:
        self._settings = settings
        self._send = send
        self._lock = Lock()
        self._fault: str | None = None
        self._notice: Callable[[bool, int], None] = lambda _able, _missed: None
        self._healing = False
        self._renewed = 0
        self._stopped = Event()

    @property
    def fault(self) -> str | None:
        """Why nothing can be published by this process now; None when it can."""
        return self._fault

    def observe(self, notice: Callable[[bool, int], None]) -> None:
        """Call ``notice`` with whether this process can publish, and for how many more jobs it could not."""
        self._notice = notice
        notice(self._fault is None, 0)

    def prove(self) -> None:
        """Publish a message that does nothing, from a thread, until that succeeds."""
        with self._lock:
            self._heal()

    def stop(self) -> None:
        """End the attempts to repair the connections. What is sent later may not arrive."""
        self._stopped.set()

    def send(self, job: Job) -> None:
        """Ring for a recorded job, if that is possible. Raises nothing."""
        while self._fault is None:
            renewed = self._renewed
            try:
                self._send(job)
            except Exception as error:  # noqa: BLE001 - the job is recorded, so no error may be answered
                if renewed == self._renewed:  # else the connections that failed are replaced already
                    with self._lock:
                        self._fail(error)
                        self._heal()
                    break
            else:
                return
        self._notice(False, 1)

    def _fail(self, error: Exception) -> None:
        """Remember the error, and log the first of a row."""
        if self._fault is None:
            log.error(
                "this process cannot send messages to workers: they find recorded jobs in seconds: %r", error
            )
        self._fault = repr(error)
        self._notice(False, 0)

    def _heal(self) -> None:
        if not self._healing:
            self._healing = True
            Thread(target=self._try_again, name="publisher", daemon=True).start()

    def _try_again(self) -> None:
        seconds = _FIRST_SECONDS
        while not self._repair():
            if self._stopped.wait(jittered(seconds)):
                return
            seconds = min(2 * seconds, _LONGEST_SECONDS)
        with self._lock:
            if self._fault is not None:
                log.warning("jobs can be queued by this process again")
            self._fault, self._healing = None, False
        self._notice(True, 0)

    def _repair(self) -> bool:
        """Renew the connections, and return whether a message could be sent over them."""
        try:
            app.renew_pools()
            self._renewed += 1
            require_own_broker(self._settings)
            _publish_canary()
        except Exception as error:  # noqa: BLE001 - whatever it is, only this thread can repair it
            with self._lock:
                self._fail(error)
            return False
        return True


def _publish_canary() -> None:
    """Send a canary as bells are sent, unless one waits to be taken."""
    lane = lane_named("maintenance")
    with sending(), app.producer_or_acquire() as producer:
        if not canaries(producer.channel, lane):
            app.send_task(CANARY, args=[lane.name], queue=lane.name, producer=producer)
