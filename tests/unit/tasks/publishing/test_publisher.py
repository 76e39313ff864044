"""How an API process sends jobs while it can, cannot, and can again; no broker takes part."""

import logging
from collections.abc import Callable, Iterator
from threading import Event
from threading import enumerate as enumerate_threads

import pytest
from kombu.exceptions import OperationalError
from pydantic import SecretStr

from rag.errors import ConfigurationError
from rag.model import Job, JobKind, JobState, Stage
from rag.settings import Settings
from tasks.app import broker_settings
from tasks.publishing import publishing
from tasks.publishing.publishing import Publisher
from tests.system.running import until

PATIENCE = 60.0


def job(name: str) -> Job:
    return Job(name, JobKind.QUERY, JobState.QUEUED, Stage.EMBED_QUERY, "c", {"question": "Why?"}, 0.0, 0.0)


class Broker:
    """What a publisher sends to; ``away`` is raised as long as it is set. ``probed``: attempts to heal."""

    def __init__(self) -> None:
        self.away: Exception | None = None
        self.sent: list[str] = []
        self.tries = 0
        self.probed = 0

    def send(self, job: Job) -> None:
        self.tries += 1
        self._answer()
        self.sent.append(job.id)

    def probe(self) -> None:
        self.probed += 1
        self._answer()

    def _answer(self) -> None:
        if self.away:
            raise self.away


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(publishing, "_publish_canary", made.probe)
    monkeypatch.setattr(publishing, "require_own_broker", lambda _settings: None)
    monkeypatch.setattr(publishing.app, "renew_pools", lambda: None)
    monkeypatch.setattr(publishing, "_FIRST_SECONDS", 0.01)
    return made


@pytest.mark.parametrize("error", [OperationalError("gone"), RuntimeError("Acquire on closed pool")])
def test_while_it_cannot_nothing_is_tried_for_a_job(
    broker: Broker, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    publisher, told = Publisher(Settings(), broker.send), []
    publisher.observe(lambda able, missed: told.append((able, missed)))
    broker.away = error

    for number in range(50):
        publisher.send(job(str(number)))
    assert publisher.fault == repr(error)
    assert broker.tries == 1
    until(lambda: broker.probed > 3, PATIENCE)
    broker.away = None
    until(lambda: publisher.fault is None, PATIENCE)

    assert broker.sent == [], "the lanes' canaries find them"
    publisher.send(job("later"))
    assert broker.sent == ["later"]
    assert sum(missed for _, missed in told) == 50
    assert told[0] == told[-1] == (True, 0)
    assert [
        (r.levelno, r.getMessage().split()[0]) for r in caplog.records if r.name == publishing.__name__
    ] == [
        (logging.ERROR, "this"),
        (logging.WARNING, "jobs"),
    ]


def test_what_fails_over_connections_that_were_replaced_meanwhile_is_sent_over_the_new_ones(
    broker: Broker,
) -> None:
    first = [True]

    def send(sent: Job) -> None:
        if first:
            first.clear()
            publisher.prove()
            until(lambda: broker.probed > 0, PATIENCE)
            raise OperationalError("over the old ones")
        broker.send(sent)

    publisher = Publisher(Settings(), send)
    publisher.send(job("late"))

    assert broker.sent == ["late"]
    assert publisher.fault is None


def test_a_process_that_cannot_publish_knows_so_without_a_submit(broker: Broker) -> None:
    broker.away = OperationalError("gone")
    publisher, changed = Publisher(Settings(), broker.send), Event()
    publisher.observe(lambda able, _missed: None if able else changed.set())

    publisher.prove()

    assert changed.wait(PATIENCE)
    assert publisher.fault
    broker.away = None
    until(lambda: publisher.fault is None, PATIENCE)


def test_one_that_is_stopped_tries_no_more(broker: Broker) -> None:
    broker.away = OperationalError("gone")
    publisher = Publisher(Settings(), broker.send)
    publisher.prove()
    until(lambda: broker.probed > 0, PATIENCE)

    publisher.stop()

    until(lambda: not any(thread.name == "publisher" for thread in enumerate_threads()), PATIENCE)
    assert publisher.fault, "it still cannot"


ADDRESSES = (
    "redis://host:6379/0",
    "redis://user:p%40ss%2Fw@host/3",
    "rediss://:secret@host:6380/0",
    "unix:///run/aegis/broker.sock",
    "unix://user:secret@/run/broker.sock?db=2",
    "sentinel://:secret@one:26379,two:26379/primary",
    "sentinels://:secret@one,two/primary?db=1",
)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Settings], None]]:
    """Have Celery led to the broker of given settings, as it is where they are the environment's."""

    def configure(settings: Settings) -> None:
        for name, value in broker_settings(settings).items():
            monkeypatch.setitem(publishing.app.conf, name, value)

    yield configure
    monkeypatch.undo()
    publishing.app.renew_pools()


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_form_of_an_address_is_known_again_and_every_other_is_refused(
    address: str, configured: Callable[[Settings], None]
) -> None:
    used = Settings(redis_url=SecretStr(address))
    configured(used)

    publishing.prepare(used)

    for other in ADDRESSES:
        if other != address:
            with pytest.raises(ConfigurationError, match="instead of") as refused:
                publishing.prepare(Settings(redis_url=SecretStr(other)))
            assert "secret" not in str(refused.value)
