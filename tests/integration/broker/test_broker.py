"""The bundled broker: kept writes, closed doors, and what Celery and Flower make of its address."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil
import pytest
from celery import Celery
from flower.utils.broker import Broker
from kombu import Queue
from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.jobs import RedisJobStore
from rag.model import JobKind, NewJob, Stage
from rag.redis import embedded
from rag.redis.connection import connect
from rag.settings import Settings
from tasks.app import broker_url
from tests.integration.brokers import declare_intact, ready


class Server:
    """The broker as a supervisor would run it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(embedded.command(self.settings))
        ready(self.settings, 30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(aegis_home=tmp_path / "a home, 100% odd")


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    server = Server(settings)
    with connect(settings) as client:
        declare_intact(client)
    yield server
    server.kill()


def test_a_kill_loses_no_acknowledged_job(server: Server) -> None:
    settings = server.settings
    acknowledged: list[str] = []

    def submit_until(killed: Event) -> None:
        with connect(settings) as client:
            jobs = RedisJobStore(client, settings)
            while not killed.is_set():
                job = NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", {"text": "x" * 200})
                with suppress(Unavailable):
                    acknowledged.append(jobs.accept(job).job.id)

    for enough in (300, 600):
        killed = Event()
        with ThreadPoolExecutor(4) as pool:
            submitters = [pool.submit(submit_until, killed) for _ in range(4)]
            wait_until(lambda: len(acknowledged) > enough)  # noqa: B023 - waited for in this round
            server.kill()
            killed.set()
        for submitter in submitters:
            submitter.result()
        server.start()

    with connect(settings) as client:
        jobs = RedisJobStore(client, settings)
        assert [job_id for job_id in acknowledged if jobs.get(job_id) is None] == []
        assert jobs.depth(Stage.PARSE) >= len(acknowledged)


def test_only_the_owner_gets_in(server: Server) -> None:
    sockets = psutil.Process(server.process.pid).net_connections("inet")
    path = server.settings.broker_socket
    assert sockets == []
    assert path.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (server.settings.home / "redis").stat().st_mode & 0o777 == 0o700


def test_it_ends_in_order_and_comes_back(server: Server) -> None:
    with connect(server.settings) as client:
        client.set("a", "1")
    server.process.terminate()
    assert server.process.wait(10) == 0

    server.start()

    with connect(server.settings) as client:
        assert client.get("a") == b"1"


def test_celery_and_flower_understand_its_address(server: Server) -> None:
    url = broker_url(server.settings.redis_address)
    prefix = {"global_keyprefix": "{aegis}:queue:"}
    app = Celery("test", broker=url, broker_transport_options=prefix, task_queues=[Queue("parse")])

    app.send_task("nothing", queue="parse")
    app.send_task("nothing", queue="parse")

    with app.connection_for_read() as connection:
        queue = Queue("parse")(connection.channel())
        assert queue.queue_declare().message_count == 2
        assert queue.get(no_ack=True) is not None
    queues = asyncio.run(Broker(url, broker_options=prefix).queues(["parse"]))
    assert queues == [{"name": "parse", "messages": 1}]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
