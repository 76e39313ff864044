"""A real Prometheus over a real API, with our rules and queries, and a real Alertmanager with a webhook."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from rag.model import JobKind, JobState, Json, NewJob, Stage
from rag.naming import new_id
from tests.alertrules import FOLDER, REPOSITORY
from tests.chaos.requirements import missing
from tests.deliveries import begin
from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import free_port, until

KEY = "the key of Qdrant"
BOARD = REPOSITORY / "deploy/grafana/dashboards/aegis.json"


@dataclass
class Stub:
    """A server that answers every call with nothing, and keeps what it was sent."""

    server: ThreadingHTTPServer
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


@contextmanager
def listening() -> Iterator[Stub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(b"")

        def do_POST(self) -> None:
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, body: bytes) -> None:
            stub.headers.append(dict(self.headers))
            if body:
                stub.bodies.append(json.loads(body))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    stub = Stub(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    thread = Thread(target=stub.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.server.shutdown()
        stub.server.server_close()
        thread.join(10)


@contextmanager
def running(name: str, *arguments: str, log: Path) -> Iterator[None]:
    program = shutil.which(name)
    if program is None:
        missing(name)
    with log.open("wb") as output:
        process = subprocess.Popen([program, *arguments], stdout=output, stderr=output)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


@dataclass(frozen=True)
class Monitored:
    """An API, what Prometheus knows of it, and what operators are told."""

    api: Service
    prometheus: httpx.Client
    qdrant: Stub
    operators: Stub

    def ask(self, query: str) -> list[Json]:
        answer = self.prometheus.get("/api/v1/query", params={"query": query})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"]["result"])

    def figure(self, query: str) -> float | None:
        found = self.ask(query)
        return float(found[0]["value"][1]) if found else None


@pytest.fixture(scope="module")
def monitored(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    folder = tmp_path_factory.mktemp("monitoring")
    with ExitStack() as stack:
        api = stack.enter_context(serving(settings_of(valkey_server, folder / "home")))
        qdrant, operators = (stack.enter_context(listening()) for _ in range(2))
        alertmanager, prometheus = free_port(), free_port()
        configuration = hastened_alertmanager(folder, operators.address)
        stack.enter_context(
            running(
                "alertmanager",
                f"--config.file={configuration}",
                f"--storage.path={folder / 'alerts'}",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
                log=folder / "alertmanager.log",
            )
        )
        targets = {
            "aegis": api.url.removeprefix("http://").rstrip("/"),
            "qdrant": qdrant.address,
            "prometheus": f"127.0.0.1:{prometheus}",
            "alertmanager": f"127.0.0.1:{alertmanager}",
        }
        configuration = hastened_prometheus(folder, targets)
        stack.enter_context(
            running(
                "prometheus",
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'series'}",
                f"--web.listen-address=127.0.0.1:{prometheus}",
                # else an alert that was raised before Alertmanager was found waits for a minute
                "--rules.alert.resend-delay=1s",
                log=folder / "prometheus.log",
            )
        )
        http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{prometheus}", timeout=10))
        until(lambda: is_ready(http), seconds=60)
        yield Monitored(api, http, qdrant, operators)


def is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


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


def hastened_prometheus(folder: Path, targets: dict[str, str]) -> Path:
    """The file as it is, but for waits, and where names are resolved."""
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    configuration["global"].update(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
    jobs = [job for job in configuration["scrape_configs"] if job["job_name"] in targets]
    for job in jobs:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(folder / "key")
    (folder / "key").write_text(KEY)
    configuration["scrape_configs"] = jobs
    configuration["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [targets["alertmanager"]]}]
    for rules in FOLDER.glob("*.rules.yml"):
        written(folder / rules.name, at_once(yaml.safe_load(rules.read_text("utf-8"))))
    return written(folder / "prometheus.yml", configuration)


def at_once(rules: Any) -> Any:
    """The same alerts, without the time for which they must hold."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return rules


def written(file: Path, content: Any) -> Path:
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return file


def accepted(monitored: Monitored, kind: JobKind, stage: Stage) -> str:
    return monitored.api.parts.jobs.accept(NewJob(new_id(), kind, stage, "c", {})).job.id


def test_every_target_answers_and_qdrant_gets_its_key(monitored: Monitored) -> None:
    until(lambda: len(monitored.ask("up == 1")) == 4, seconds=60)

    assert monitored.qdrant.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_job_is_seen_to_wait_and_to_run_and_to_be_over(monitored: Monitored) -> None:
    def is_seen(waiting: float, running: float) -> Callable[[], bool]:
        seen = {"waiting": waiting, "running": running, "open": waiting + running}
        query = 'max(aegis_lane_{0}_jobs{{lane="generate"}})'
        return lambda: all(monitored.figure(query.format(n)) == value for n, value in seen.items())

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


def test_each_query_of_the_dashboard_is_answered(monitored: Monitored) -> None:
    panels = [panel for panel in json.loads(BOARD.read_text("utf-8"))["panels"] if panel["type"] != "row"]
    queries = [t["expr"].replace("$__rate_interval", "30s") for panel in panels for t in panel["targets"]]
    monitored.api.http.get("/v1/collections").raise_for_status()

    answered = {query for query in queries if monitored.ask(query)}

    lanes = [query for query in queries if "aegis_lane_" in query]
    assert len(lanes) == 3
    assert answered >= set(lanes)
    until(lambda: bool(monitored.ask(next(query for query in queries if "histogram_quantile" in query))))
