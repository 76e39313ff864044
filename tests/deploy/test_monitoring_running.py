"""A real Prometheus over a real API, with our rules and queries, and a real Alertmanager with a webhook."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from rag.model import JobKind, JobState, NewJob, Stage
from rag.naming import new_id
from rag.redis.connection import connect_to
from tests.alertrules import REPOSITORY
from tests.deliveries import begin
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.brokers import declare_intact
from tests.prometheusserver import KEY, Prometheus, prometheus, running, written
from tests.servicestub import Stub, listening
from tests.system.running import free_port, until


@dataclass(frozen=True)
class Monitored:
    """An API, what Prometheus knows of it, and what operators are told."""

    api: Service
    prometheus: Prometheus
    qdrant: Stub
    operators: Stub


@pytest.fixture(scope="module")
def monitored(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    folder = tmp_path_factory.mktemp("monitoring")
    with connect_to(valkey_server) as client:
        client.flushall()
        declare_intact(client)
    with ExitStack() as stack:
        api = stack.enter_context(serving(settings_of(valkey_server, folder / "home")))
        qdrant, operators = (stack.enter_context(listening()) for _ in range(2))
        alertmanager = f"127.0.0.1:{free_port()}"
        configuration = hastened_alertmanager(folder, operators.address)
        stack.enter_context(
            running(
                "alertmanager",
                f"--config.file={configuration}",
                f"--storage.path={folder / 'alerts'}",
                f"--web.listen-address={alertmanager}",
                "--cluster.listen-address=",
                log=folder / "alertmanager.log",
            )
        )
        targets = {
            "aegis": [api.url.removeprefix("http://").rstrip("/")],
            "qdrant": [qdrant.address],
            "alertmanager": [alertmanager],
        }
        server = stack.enter_context(prometheus(folder, targets, alertmanager))
        yield Monitored(api, server, qdrant, operators)


def hastened_alertmanager(folder: Path, operators: str) -> Path:
    """The file as it is, but for waits, and where the secret lies."""
    configuration = yaml.safe_load((REPOSITORY / "deploy/alertmanager/alertmanager.yml").read_text("utf-8"))
    secret = folder / "alert_webhook_url"
    secret.write_text(f"http://{operators}/")
    configuration["receivers"][0]["webhook_configs"][0]["url_file"] = str(secret)
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route["group_wait"] = "1s"
    configuration["route"]["group_interval"] = "1s"
    return written(folder / "alertmanager.yml", configuration)


def accepted(monitored: Monitored, kind: JobKind, stage: Stage) -> str:
    return monitored.api.parts.jobs.accept(NewJob(new_id(), kind, stage, "c", {})).job.id


def test_every_target_answers_and_qdrant_gets_its_key(monitored: Monitored) -> None:
    until(lambda: len(monitored.prometheus.ask("up == 1")) == 4, seconds=60)

    assert monitored.qdrant.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_job_is_seen_to_wait_and_to_run_and_to_be_over(monitored: Monitored) -> None:
    def is_seen(waiting: float, running: float) -> Callable[[], bool]:
        seen = {"waiting": waiting, "running": running, "open": waiting + running}
        query = 'max(aegis_lane_{0}_jobs{{lane="generate"}})'
        return lambda: all(monitored.prometheus.figure(query.format(n)) == value for n, value in seen.items())

    jobs = monitored.api.parts.jobs
    job_id = accepted(monitored, JobKind.QUERY, Stage.GENERATE)
    until(is_seen(1, 0), seconds=30)
    lease = begin(jobs, job_id, Stage.GENERATE)
    assert lease is not None
    until(is_seen(0, 1), seconds=30)

    assert jobs.finish(lease, JobState.SUCCEEDED, result={})

    until(is_seen(0, 0), seconds=30)


def test_operators_are_told_of_a_lane_without_worker_and_of_its_end(monitored: Monitored) -> None:
    def is_told(status: str) -> bool:
        labels = {"alertname": "AegisLaneWithoutWorker", "lane": "parse", "installation": "aegis"}
        alerts = [alert for body in monitored.operators.bodies for alert in body["alerts"]]
        return any(
            alert["status"] == status and labels.items() <= alert["labels"].items() for alert in alerts
        )

    job_id = accepted(monitored, JobKind.INGEST, Stage.PARSE)
    until(lambda: is_told("firing"), seconds=60)

    monitored.api.parts.jobs.cancel(job_id)

    until(lambda: is_told("resolved"), seconds=60)
