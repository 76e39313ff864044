"""A worker's own /metrics: real workers, over children that are killed and replaced."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

import httpx
import psutil
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from uuid_utils.compat import uuid7

from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tests.integration.delivery.test_worker_liveness import sending_to
from tests.integration.workerprocess import Worker, working
from tests.system.running import free_port, until
from workers.tools import Tools

PATIENCE = 60.0


@pytest.fixture
def tools(valkey: str, tmp_path: Path) -> Iterator[Tools]:
    with sending_to(valkey):
        yield Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


@contextmanager
def measured(lane: str, tools: Tools, **settings: str) -> Iterator[tuple[Worker, str]]:
    """A worker with a page of figures, and the page's address."""
    port = free_port()
    own = {"METRICS_PORT": str(port), "API_HOST": "127.0.0.1", **settings}
    address = str(tools.settings.records_url)
    with working(lane, address, tools.settings.home, **own) as worker:
        url = f"http://127.0.0.1:{port}/metrics"
        until(lambda: answers(url), PATIENCE)
        yield worker, url


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def figure(url: str, sample: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    return sum(
        each.value
        for family in text_string_to_metric_families(httpx.get(url).text)
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    )


def ended(url: str) -> float:
    """The jobs whose end the worker has written, by its figures."""
    return figure(url, "aegis_dependency_seconds_count", dependency="redis", operation="finish")


def work_jobs(tools: Tools, number: int) -> None:
    """Have so many jobs end: their collection is not there, so they fail in their first stage."""
    ids = []
    for _ in range(number):
        inputs = {"document_id": "d", "generation": 1, "version": 1}
        ids.append(tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "c", inputs)).job.id)
    until(lambda: all(tools.jobs.get(each).state is JobState.FAILED for each in ids), PATIENCE)


def pool_of(worker: Worker) -> list[psutil.Process]:
    """The children of its pool that live."""
    return [
        child
        for child in psutil.Process(worker.process.pid).children()
        if child.status() != psutil.STATUS_ZOMBIE and "celery" in " ".join(child.cmdline())
    ]


def test_a_prefork_worker_counts_exactly_over_children_that_were_killed(tools: Tools) -> None:
    with measured("parse", tools) as (worker, url):
        for round_ in range(1, 4):
            work_jobs(tools, 5)
            until(lambda due=5 * round_: ended(url) == due, 10)
            (child,) = pool_of(worker)
            child.send_signal(signal.SIGKILL)
            until(lambda gone=child: pool_of(worker) not in ([], [gone]), PATIENCE)
        work_jobs(tools, 5)

        assert ended(url) == 20
        assert figure(url, "aegis_dependency_seconds_count", operation="take") >= 4
        assert "pid=" not in httpx.get(url).text


def test_a_worker_that_ends_leaves_no_files_and_one_that_was_killed_only_until_the_next(tools: Tools) -> None:
    def folders() -> list[Path]:
        return [each for each in Path(gettempdir()).glob("aegis-metrics-*") if f"-{pid}-" in each.name]

    with measured("parse", tools) as (worker, _):
        pid = worker.process.pid
        assert len(folders()) == 1
        assert folders()[0].stat().st_mode & 0o777 == 0o700
        worker.process.terminate()
        worker.process.wait(PATIENCE)
        assert folders() == []
    with measured("parse", tools) as (worker, _):
        pid = worker.process.pid
    assert len(folders()) == 1

    with measured("parse", tools):
        assert folders() == []


def test_a_solo_worker_tells_of_its_models_calls_with_traces_as_exemplars(tools: Tools) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with measured("embed-query", tools, JAEGER_ENDPOINT=nowhere) as (_, url):
        inputs = {"question": "What is green?", "top_k": 3, "top_n": 1, "where": None, "generate": True}
        trace = f"00-{'a1' * 16}-{'b2' * 8}-01"
        job = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "c", inputs, trace=trace)
        tools.jobs.accept(job)
        model = {"role": "embed"}
        before = figure(url, "aegis_model_call_seconds_count", **model)
        until(lambda: tools.jobs.get(job.id).stage is Stage.SEARCH, PATIENCE)
        until(lambda: figure(url, "aegis_model_call_seconds_count", **model) > before, 10)

        answer = httpx.get(url, headers={"Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})

        assert figure(url, "aegis_model_tokens_read_total", **model) > 3
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        families = {family.name: family for family in openmetrics_families(answer.text)}
        called = families["aegis_dependency_seconds"].samples
        assert any(each.exemplar.labels == {"trace_id": "a1" * 16} for each in called if each.exemplar)


def test_without_a_port_nothing_is_loaded_and_nothing_is_measured(tools: Tools) -> None:
    assert type(tools.jobs).__name__ == "DurableJobStore"
    with working("parse", str(tools.settings.records_url), tools.settings.home) as worker:
        opened = psutil.Process(worker.process.pid).net_connections("tcp")
        assert not [each for each in opened if each.status == psutil.CONN_LISTEN]
