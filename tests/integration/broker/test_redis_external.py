"""Every user of REDIS_URL on a server as production has it: TLS, passwords, Sentinels, and a failover."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import stamina
import trustme
from celery import Celery
from flower.utils.broker import Broker
from kombu import Queue

from api.access.limits import RateLimit
from rag.errors import ConfigurationError, Overloaded, Unavailable
from rag.model import Job, Stage
from rag.redis.connection import ENDS, connect, connect_async
from rag.redis.health import wait_until_safe
from rag.redis.job_notifications import ChangeFeed
from rag.settings import Settings
from tasks.app import app, broker_settings
from tasks.submit.requests import Ingestion, Text
from tasks.submit.submissions import Submissions
from tasks.upkeep.rebuild import rebuild_records
from tests.integration.brokers import declare_intact
from tests.integration.redisservers import QUOTED, Watched, behind_tls, server, watched
from tests.integration.workerprocess import working
from tests.system.running import until
from workers.tools import Tools

PATIENCE = 120.0  # seconds, on a machine that is busy with other tests


class Secured:
    """A server behind TLS and a password; ``port`` is the one without TLS."""

    def __init__(self, port: int, tls_port: int, folder: Path) -> None:
        self.port = port
        self.tls_port = tls_port
        self.folder = folder

    def url(self, password: str = QUOTED, scheme: str = "rediss", port: int | None = None) -> str:
        return f"{scheme}://:{password}@localhost:{port or self.tls_port}/0"

    def settings(self, url: str = "", authority: str | None = "ours.pem") -> Settings:
        ca_file = self.folder / authority if authority else None
        return Settings.model_validate(
            {"redis_url": url or self.url(), "redis_ca_file": ca_file, "aegis_home": self.folder}
        )


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("redis")
    ours, others = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(folder / "ours.pem")
    others.cert_pem.write_to_path(folder / "others.pem")
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("localhost").configure_cert(certificate)
    with server(folder) as plain, behind_tls(plain.port, certificate) as tls_port:
        mine = Secured(plain.port, tls_port, folder)
        with connect(mine.settings()) as client:
            declare_intact(client)
        yield mine


@pytest.fixture(scope="module")
def failing_over() -> Iterator[Watched]:
    with watched() as servers:
        yield servers


@pytest.fixture(params=["TLS", "Sentinels"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "TLS":
        return request.getfixturevalue("secured").settings()
    url = request.getfixturevalue("failing_over").url
    return Settings.model_validate({"redis_url": url, "aegis_home": tmp_path})


def test_celery_and_flower_reach_it(settings: Settings) -> None:
    broker = broker_settings(settings)
    celery = Celery("test")
    celery.conf.update(broker, task_queues=[Queue("parse")])

    celery.send_task("nothing", queue="parse")

    with celery.connection_for_read() as connection:
        assert Queue("parse")(connection.channel()).get(no_ack=True) is not None
    if settings.redis_address.master is None:  # Flower asks the first Sentinel alone, which is away here
        options, secured = broker["broker_transport_options"], broker["broker_use_ssl"]
        flower = Broker(broker["broker_url"], broker_options=options, broker_use_ssl=secured)
        assert asyncio.run(flower.queues(["parse"])) == [{"name": "parse", "messages": 0}]


def test_the_change_feed_and_the_rate_limit_reach_it(settings: Settings) -> None:
    async def scene() -> None:
        feed, client = ChangeFeed(settings.records_url), connect_async(settings.records_url, connections=2)
        try:
            async with feed.watch("job", every=False) as watch:
                await watch.wait(10)  # it has subscribed
                await client.publish(ENDS, "job")
                assert await watch.wait(10)
            limit = RateLimit(client, 50)
            answers = await asyncio.gather(*(limit.admit("me") for _ in range(51)), return_exceptions=True)
            assert [type(answer) for answer in answers if answer is not None] == [Overloaded]
        finally:
            await feed.close()
            await client.aclose()

    asyncio.run(scene())


def test_a_pool_is_bounded(secured: Secured) -> None:
    async def scene() -> None:
        client = connect_async(secured.url(scheme="redis", port=secured.port), connections=3)
        with connect(secured.settings()) as other:
            before = len(other.client_list())
            await asyncio.gather(*(client.blpop(f"{{aegis}}:none:{n}", timeout=0.2) for n in range(9)))
            assert len(other.client_list()) - before <= 3
        await client.aclose()

    asyncio.run(scene())


REFUSALS: dict[str, Callable[[Secured], Settings]] = {
    "does not accept the user and password in REDIS_URL": lambda s: s.settings(s.url("wrong")),
    "is not trusted.*REDIS_CA_FILE": lambda s: s.settings(authority="others.pem"),
    "certificate is not valid for '127": lambda s: s.settings(s.url().replace("localhost", "127.0.0.1")),
}


@pytest.mark.parametrize("said", REFUSALS)
def test_what_a_server_refuses_stops_the_start_in_one_line(secured: Secured, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as error:
        wait_until_safe(REFUSALS[said](secured))

    assert "\n" not in str(error.value)


def test_a_protocol_that_does_not_fit_is_guessed(secured: Secured) -> None:
    plain_to_tls = secured.settings(secured.url(scheme="redis"), authority=None)
    tls_to_plain = secured.settings(secured.url(port=secured.port))

    with pytest.raises(Unavailable, match="if it speaks TLS, REDIS_URL must begin with rediss://"):
        wait_until_safe(plain_to_tls, patience=0)
    with pytest.raises(Unavailable, match="if it speaks no TLS, REDIS_URL must begin with redis://"):
        wait_until_safe(tls_to_plain, patience=0)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("aegis-primary", "other", "no Sentinel in REDIS_URL knows a primary 'other'"),
        ("watch-word", "wrong", "a Sentinel does not accept sentinel_password"),
        (QUOTED, "wrong", "does not accept the user and password"),
    ],
)
def test_wrong_words_to_sentinels_stop_the_start_in_one_line(
    failing_over: Watched, right: str, wrong: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as error:
        wait_until_safe(Settings.model_validate({"redis_url": failing_over.url.replace(right, wrong)}))

    assert "\n" not in str(error.value)


def test_a_failover_loses_no_job(
    failing_over: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"redis_url": failing_over.url, "aegis_home": tmp_path})
    for name, value in broker_settings(settings).items():
        monkeypatch.setitem(app.conf, name, value)
    tools = Tools(settings)
    desk = Submissions(settings, tools.jobs, tools.documents, tools.blobs)

    def send(number: int) -> str:
        ingestion = Ingestion(Text(f"Text {number}"), "docs", document_id=str(number))
        return desk.ingest(ingestion).job.id

    def found(job_id: str) -> Job | None:
        """Whoever asks waits for the failover, as every caller does."""
        for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=PATIENCE, wait_max=0.5):
            with attempt:
                return tools.jobs.get(job_id)
        raise AssertionError("unreachable")

    def parsed(job_id: str) -> bool:
        job = found(job_id)
        return job is not None and job.stage is not Stage.PARSE

    with working("parse", failing_over.url, tmp_path, BLOB_URL=settings.blob_address):
        first = send(0)
        until(lambda: parsed(first), PATIENCE)
        copied = [send(number) for number in range(1, 9)]
        failing_over.replicated()
        failing_over.cut_replication()
        missed = send(9)
        failing_over.fail_over()

        assert found(missed) is None
        assert not tools.restoration.recovery.intact(), "the marker names another server's run"
        assert "open jobs: 1" in rebuild_records(tools.restoration)
        assert tools.restoration.recovery.intact()
        for job_id in (*copied, missed):
            until(partial(parsed, job_id), PATIENCE)
