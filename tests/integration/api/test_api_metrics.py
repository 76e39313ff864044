"""The API's /metrics: exact over its processes, of bounded size, and with traces where they are asked for."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
import trustme
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from api.metrics.probes import Probe
from rag.redis.heartbeats import VECTORS
from rag.redis.server_health import ServerHealth
from rag.system.certificates import certificate_end
from tests.integration.apiprocess import started
from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import free_port, until

PATIENCE = 60.0


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(text: str, name: str, **labels: str) -> float:
    wanted = frozenset(labels.items())
    return sum(value for (found, own), value in samples(text).items() if found == name and wanted <= own)


def value(text: str, name: str, **labels: str) -> float | None:
    return samples(text).get((name, frozenset(labels.items())))


def test_requests_are_counted_exactly_over_processes_of_which_one_is_killed(
    valkey: str, tmp_path: Path
) -> None:
    with started(valkey, tmp_path, API_WORKERS="2") as api:

        def serving_processes() -> list[psutil.Process]:
            living = [each for each in api.process.children() if each.status() != psutil.STATUS_ZOMBIE]
            return [each for each in living if "spawn_main" in " ".join(each.cmdline())]

        def ask(times: int) -> None:
            for _ in range(times):  # a connection each, so that both processes get some
                assert httpx.get(f"{api.url}/v1/jobs/nothing").status_code == 404

        def page() -> str:
            return httpx.get(f"{api.url}/metrics").text

        where = {"method": "GET", "handler": "/v1/jobs/{job_id}", "status": "404"}
        until(lambda: len(serving_processes()) == 2, PATIENCE)
        ask(30)
        killed = serving_processes()[0]
        killed.kill()
        until(lambda: len(serving_processes()) == 2 and killed not in serving_processes(), PATIENCE)
        until(lambda: httpx.get(f"{api.url}/health/live").is_success, PATIENCE)
        ask(12)

        pages = {page() for _ in range(4)}
        assert {value(each, "http_requests_total", **where) for each in pages} == {42}
        counted = {value(each, "http_request_duration_seconds_count", **where) for each in pages}
        assert counted == {42}
        assert all("pid=" not in each for each in pages)


def test_hostile_paths_and_methods_add_no_series(api: Service) -> None:
    def series() -> set[tuple[str, frozenset[tuple[str, str]]]]:
        return {key for key in samples(api.http.get("/metrics").text) if key[0].startswith("http_")}

    for method in ("GET", "REPORT"):
        api.http.request(method, "/nowhere")
    api.http.get("/v1/jobs/none")
    api.http.get("/metrics")
    until(lambda: total(api.http.get("/metrics").text, "http_requests_total", method="other") >= 1, 10)
    before = series()

    for number in range(50):
        api.http.get(f"/nowhere/{number}", params={"q": str(number)})
        api.http.get(f"/v1/jobs/{number}")
        for method in ("PROPFIND", "REPORT", "SEARCH", "LINK", "PURGE", "MKCOL"):
            api.http.request(method, f"/{number}", headers={"X-Request-ID": str(number)})
    until(
        lambda: (
            total(api.http.get("/metrics").text, "http_requests_total", handler="/v1/jobs/{job_id}") >= 51
        ),
        10,
    )

    assert series() == before
    assert {dict(labels)["method"] for _, labels in before} <= {"GET", "PUT", "POST", "other"}


def test_openmetrics_comes_where_it_is_asked_for(api: Service) -> None:
    asked = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

    plain = api.http.get("/metrics")
    open_ = api.http.get("/metrics", headers={"Accept": asked})

    assert plain.headers["Content-Type"].startswith("text/plain")
    assert open_.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_.text.endswith("# EOF\n")
    assert {family.name for family in openmetrics_families(open_.text)} >= {
        "http_requests",
        "aegis_stage_wait_seconds",
        "aegis_dependency_up",
    }


def test_a_store_that_is_called_within_a_trace_names_it_as_an_exemplar(api: Service) -> None:
    assert api.parts.calls is not None
    tracer = TracerProvider().get_tracer("test")

    with tracer.start_as_current_span("span") as span:
        api.parts.jobs.get("nothing")

    page = api.http.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text
    (family,) = (f for f in openmetrics_families(page) if f.name == "aegis_dependency_seconds")
    trace_id = f"{span.get_span_context().trace_id:032x}"
    found = [s.exemplar.labels for s in family.samples if s.exemplar and s.labels["operation"] == "get"]
    assert {"trace_id": trace_id} in found


def test_the_time_of_a_request_names_its_trace(valkey: str, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with started(valkey, tmp_path, JAEGER_ENDPOINT=nowhere) as api:
        httpx.put(f"{api.url}/v1/collections/handbook").raise_for_status()

        def traced() -> set[str]:
            accept = {"Accept": "application/openmetrics-text"}
            families = openmetrics_families(httpx.get(f"{api.url}/metrics", headers=accept).text)
            (times,) = (each for each in families if each.name == "http_request_duration_seconds")
            return {each.labels["handler"] for each in times.samples if each.exemplar}

        until(lambda: traced() == {"/v1/collections/{name}"}, 10)


def test_what_is_known_of_each_dependency_is_told(api: Service) -> None:
    health = ServerHealth(api.parts.jobs._client)
    first = api.http.get("/metrics").text
    assert value(first, "aegis_dependency_up", dependency="redis") == 1
    assert value(first, "aegis_dependency_up", dependency="blobs") == 1
    assert value(first, "aegis_dependency_up", dependency="qdrant") is None, "no worker has said"
    assert value(first, "aegis_dependency_up", dependency="jina") is None

    api.parts.heartbeats.beat(VECTORS, {"seen_by": "rerank", "certificate_ends": 4e9})
    health.note("jina", True)
    health.note("ollama", False)

    def told() -> dict[str, float | None]:
        page = api.http.get("/metrics").text
        names = ("qdrant", "jina", "ollama")
        return {name: value(page, "aegis_dependency_up", dependency=name) for name in names}

    until(lambda: told() == {"qdrant": 1, "jina": 1, "ollama": 0}, 10)
    page = api.http.get("/metrics").text
    left = value(page, "aegis_certificate_expiry_seconds", dependency="qdrant")
    assert left is not None
    assert left > 1e9
    assert value(page, "aegis_broker_memory_bytes") > 0
    mounts = {dict(labels)["mount"] for name, labels in samples(page) if name == "aegis_disk_free_bytes"}
    assert str(api.parts.settings.home) in mounts
    for mount in mounts:
        free = value(page, "aegis_disk_free_bytes", mount=mount)
        assert free is not None
        assert 0 < free <= (value(page, "aegis_disk_bytes", mount=mount) or 0)


def test_a_check_that_hangs_holds_no_scrape_up_and_counts_as_failed() -> None:
    over, answers = threading.Event(), iter([True, False])

    def check() -> bool:
        if not next(answers):
            over.wait(PATIENCE)
        return True

    probe = Probe(check, every=0, limit=0.2)
    assert probe.latest() is True
    probe.latest()

    try:
        until(lambda: probe.latest() is None, 10)
    finally:
        over.set()


def test_the_end_of_a_servers_certificate_is_read_though_nobody_trusts_it(tmp_path: Path) -> None:
    with tls_server(tmp_path) as (port, end):
        assert certificate_end("127.0.0.1", port) == end


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[int, float]]:
    """The port of a server of TLS, and the end of its certificate."""
    end = datetime(2040, 1, 1, tzinfo=UTC)
    certificate = trustme.CA().issue_cert("127.0.0.1", not_after=end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], end.timestamp()
        thread.join(PATIENCE)
