"""Health, metrics, the console and the offline documentation, over HTTP."""

import re
import time
from collections.abc import Iterator

import pytest

from api.routes.health import COMPONENTS, DISPENSABLE
from api.routes.pages import STATIC
from rag.model import JobState
from rag.redis.connection import connect_to
from rag.redis.heartbeats import BEAT, WorkerSign
from tasks.submit.submissions import LANES
from tests.integration.apiserver import Service, serving, settings_of


@pytest.fixture(scope="module")
def running(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(settings_of(valkey_server, tmp_path_factory.mktemp("home"), environment="test")) as service:
        yield service


@pytest.fixture
def api(running: Service, valkey: str) -> Service:
    """The running server over an empty database."""
    return running


def beat(api: Service, *components: str) -> None:
    for component in components:
        if component in LANES:
            api.parts.heartbeats.work(worker(component))
        elif component == BEAT:
            api.parts.heartbeats.tick("here", 1)
        else:
            api.parts.heartbeats.beat(component, {"pid": 1})


def worker(lane: str, pid: int = 1, idle: float = 0.0) -> WorkerSign:
    """What an idle worker of the lane says of itself."""
    return WorkerSign(lane, f"{lane}@here", pid, idle, None, None, limit=60.0, silence=30.0)


def test_ready_once_every_essential_component_shows_life(api):
    essential = [name for name in COMPONENTS if name not in DISPENSABLE]
    beat(api, *essential[:-1])
    before = api.http.get("/health/ready")
    beat(api, *essential)
    after = api.http.get("/health/ready")

    assert (before.status_code, before.json()["status"]) == (503, "unready")
    missing = [n for n, c in before.json()["components"].items() if c["essential"] and not c["ready"]]
    assert missing == essential[-1:]
    assert (after.status_code, after.json()["status"]) == (200, "ready")
    assert after.json()["components"].keys() == set(COMPONENTS)
    assert api.http.get("/health").json()["status"] == "degraded"


def test_a_heartbeat_runs_out(api):
    beat(api, "embed")
    api.parts.heartbeats.tick("here", 1, ttl_seconds=0.001)

    deadline = time.monotonic() + 5
    while api.parts.heartbeats.read_signs().beats:
        assert time.monotonic() < deadline
    components = api.http.get("/health").json()["components"]
    assert components["embed"]
    assert not components["beat"]


def test_a_lane_is_ready_while_one_of_its_workers_takes_tasks(api):
    api.parts.heartbeats.work(worker("parse", pid=1, idle=99.0))
    hung = api.http.get("/health/ready").json()["components"]["parse"]
    api.parts.heartbeats.work(worker("parse", pid=2))
    shared = api.http.get("/health/ready").json()["components"]["parse"]
    metrics = api.http.get("/metrics").text

    assert not hung["ready"]
    assert "has taken nothing from its queue" in hung["detail"]["error"]
    assert shared["ready"]
    assert ["error" in seen for seen in shared["detail"]["workers"]] == [True, False]
    assert [seen["pid"] for seen in shared["detail"]["workers"]] == [1, 2]
    assert 'aegis_workers_alive{lane="parse"} 1.0' in metrics
    assert 'aegis_workers_alive{lane="embed"} 0.0' in metrics


def test_metrics_tell_how_long_ago_beat_ticked(api):
    silent = api.http.get("/metrics").text
    beat(api, "beat")
    ticking = api.http.get("/metrics").text

    assert "aegis_beat_tick_age_seconds +Inf" in silent
    assert float(re.findall(r"^aegis_beat_tick_age_seconds (\S+)", ticking, re.MULTILINE)[0]) < 10


def test_readiness_of_one_component(api):
    assert api.http.get("/health/ready", params={"component": "broker"}).json()["components"].keys() == {
        "broker"
    }
    assert api.http.get("/health/ready", params={"component": "broker"}).status_code == 200
    assert api.http.get("/health/ready", params={"component": "engine"}).status_code == 422


def test_health_in_short(api):
    beat(api, *COMPONENTS)
    health = api.http.get("/health").json()

    assert (health["status"], health["environment"]) == ("ok", "test")
    assert health["version"]


def test_metrics_count_requests_and_jobs(api):
    api.ask()
    api.http.get("/v1/jobs/nope")
    api.http.get("/nowhere/at/all")

    metrics = api.http.get("/metrics").text

    assert 'aegis_queue_depth{stage="embed_query"} 1.0' in metrics
    assert 'aegis_jobs{state="queued"} 1.0' in metrics
    assert re.search(r'http_requests_total\{handler="/v1/queries",method="POST",status="202"\} \d', metrics)
    assert re.search(
        r'http_requests_total\{handler="/v1/jobs/\{job_id\}",method="GET",status="404"\} \d', metrics
    )
    assert re.search(r'http_requests_total\{handler="none",method="GET",status="404"\} \d', metrics)
    assert "http_request_duration_seconds_bucket" in metrics
    assert "nowhere" not in metrics


def test_metrics_tell_what_is_open_how_old_it_is_and_what_died(api):
    crashed = {"type": "urn:aegis:problem:crashed", "detail": "no"}
    api.parts.jobs.finish(api.begin(api.ask()), JobState.DEAD, error=crashed)
    api.ask()
    api.http.post("/v1/documents", json={"text": "a text"})

    metrics = api.http.get("/metrics").text

    assert 'aegis_dead_letters{reason="crashed"} 1.0' in metrics
    for kind, count in (("query", 1), ("ingest", 1), ("delete", 0)):
        assert f'aegis_open_jobs{{kind="{kind}"}} {count}.0' in metrics
    assert f'aegis_open_jobs_limit{{kind="query"}} {api.parts.settings.max_open_queries}.0' in metrics
    ages = dict(re.findall(r'aegis_queue_oldest_seconds\{stage="(\w+)"\} ([\d.]+)', metrics))
    assert 0 < float(ages["parse"]) < 60
    assert float(ages["embed"]) == 0


def test_metrics_can_be_turned_off(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path, prometheus_metrics_enabled=False)) as api:
        assert api.http.get("/metrics").status_code == 404


@pytest.mark.parametrize("path", ["/", "/console/backups.html", "/console/document.html", "/docs"])
def test_pages_load_everything_from_here(api, path):
    page = api.http.get(path)

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src '")
    assert "http" not in policy
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    for address in loaded:
        if address.startswith("/") and not address.startswith("/health"):
            assert api.http.get(address).status_code == 200, address
        else:
            assert address.startswith(("#", "/health")), address


def test_the_console_runs_under_a_strict_policy(api):
    for page in (api.http.get(path) for path in ("/", "/console/backups.html", "/console/document.html")):
        assert "unsafe" not in page.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|\sstyle=", page.text)
    for name in sorted(file.name for file in STATIC.iterdir() if file.suffix in (".js", ".css")):
        file = api.http.get(f"/console/{name}")
        assert file.status_code == 200
        assert "innerHTML" not in file.text
        assert "http://" not in file.text.replace("http://www.w3.org", "")
    assert api.http.get("/console/../main.py").status_code == 404


def test_openapi_tells_what_there_is(api):
    document = api.http.get("/openapi.json").json()

    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == path.startswith("/v1/")
            if path.startswith("/v1/"):
                problem = operation["responses"]["422"]["content"]["application/problem+json"]
                assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
    submit = document["paths"]["/v1/documents"]["post"]
    assert submit["requestBody"]["content"].keys() == {"multipart/form-data", "application/json"}
    assert {p["name"] for p in submit["parameters"]} == {"Prefer", "Idempotency-Key", "on_conflict"}
    assert document["paths"]["/v1/queries"]["post"]["requestBody"]


@pytest.mark.parametrize("path", ["/metrics", "/health", "/health/ready"])
def test_what_anybody_may_ask_for_asks_the_broker_once_a_second(valkey, tmp_path, path):
    with serving(settings_of(valkey, tmp_path), fresh_seconds=3600) as api:
        first = api.http.get(path)
        commands = connect_to(valkey).info("commandstats")["cmdstat_set"]["calls"]

        answers = [api.http.get(path) for _ in range(20)]

        assert {(answer.status_code, answer.content) for answer in answers} == {
            (first.status_code, first.content)
        }
        assert connect_to(valkey).info("commandstats")["cmdstat_set"]["calls"] == commands
