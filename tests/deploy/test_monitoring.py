"""The files of Prometheus and Alertmanager: they are sound, and over figures that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from api.metrics.backups import BackupCollector
from rag.model import Json
from tasks.submit.submissions import LANES
from tests.alertrules import (
    BEFORE,
    FOLDER,
    REPOSITORY,
    AlertFile,
    Case,
    Figures,
    Rising,
    rule_files,
    run_promtool,
)
from tests.chaos.requirements import missing
from tests.integration.apiserver import serving, settings_of
from tests.unit.test_alerts import Status

CONFIGURATIONS = (FOLDER / "prometheus.yml", FOLDER / "kubernetes.yml")
ALERTMANAGER = REPOSITORY / "deploy/alertmanager/alertmanager.yml"
GRAFANA = REPOSITORY / "deploy/grafana"
HEADLESS = REPOSITORY / "deploy/k8s/components/prometheus/services.yaml"
KUSTOMIZATIONS = (FOLDER, ALERTMANAGER.parent, GRAFANA)

ANSWERED, FAILED, PROBED = (
    f'http_requests_total{{method="{method}",handler="{handler}",status="{status}"}}'
    for method, handler, status in (
        ("POST", "/v1/queries", 200),
        ("POST", "/v1/documents", 503),
        ("GET", "/health/ready", 503),
    )
)
NO_REQUESTS = dict.fromkeys((ANSWERED, FAILED, PROBED))

WELL: Figures = {
    "aegis_broker_up": 1,
    "aegis_api_publishing": 1,
    ANSWERED: Rising(60),
    FAILED: Rising(1),
    PROBED: Rising(12),
    'up{job="aegis"}': 1,
    'up{job="aegis-workers"}': 1,
    'aegis_lane_open_jobs{lane="embed"}': 4,
    'aegis_lane_waiting_jobs{lane="embed"}': 3,
    'aegis_lane_running_jobs{lane="embed"}': 1,
    'aegis_stage_attempts_total{lane="embed",stage="embed"}': Rising(5),
    'aegis_workers_alive{lane="embed"}': 2,
    'aegis_lane_oldest_wait_seconds{lane="embed"}': 600,
    'aegis_lane_open_jobs{lane="generate"}': 0,
    'aegis_workers_alive{lane="generate"}': 0,
    'aegis_lane_oldest_wait_seconds{lane="generate"}': 0,
    'aegis_open_jobs{kind="ingest"}': 900,
    'aegis_open_jobs_limit{kind="ingest"}': 1000,
    'aegis_open_jobs{kind="prune"}': 1,
    'aegis_jobs{state="dead"}': 2,
    'aegis_dependency_up{dependency="redis"}': 1,
    'aegis_dependency_up{dependency="qdrant"}': 1,
    'aegis_disk_free_bytes{mount="/data"}': 30e9,
    'aegis_disk_bytes{mount="/data"}': 100e9,
    "aegis_broker_memory_bytes": 300e6,
    "aegis_broker_memory_limit_bytes": 1e9,
    'aegis_certificate_expiry_seconds{dependency="redis"}': 60 * 86400,
}
"""Of an installation at which nothing is amiss: one lane is scaled to nothing, some jobs died long ago."""

BROKER_DOWN: Figures = {
    name: 0 if name == "aegis_broker_up" else None for name in WELL if not name.startswith(("http", "up"))
} | {"aegis_api_publishing": 1}

SERVICE = AlertFile(FOLDER / "aegis.rules.yml", WELL)
RUNNING = 'aegis_lane_running_jobs{lane="embed"}'
ATTEMPTS = 'aegis_stage_attempts_total{lane="embed",stage="embed"}'
CERTIFICATE = 'aegis_certificate_expiry_seconds{dependency="redis"}'
EMBED, GENERATE, INGEST = {"lane": "embed"}, {"lane": "generate"}, {"kind": "ingest"}

CASES = (
    Case("AegisBrokerDown", "No API reaches the broker", BROKER_DOWN, after=1),
    Case("AegisCannotQueue", "An API process cannot queue jobs", {"aegis_api_publishing": 0}, after=2),
    Case("AegisApiFails", "The API answers 9.091% of its requests with an error of its own",
         {FAILED: Rising(6), PROBED: Rising(600)}, near={FAILED: Rising(3), PROBED: Rising(600)}, after=8),
    Case("AegisLaneWithoutWorker", "The lane embed has work and no worker",
         {'aegis_workers_alive{lane="embed"}': 0, 'up{job="aegis-workers"}': None},
         near={'aegis_workers_alive{lane="embed"}': 0, 'aegis_lane_open_jobs{lane="embed"}': 0,
               'up{job="aegis-workers"}': None},
         after=5, labels=EMBED),
    Case("AegisLaneWithoutWorker", "The lane generate has work and no worker",
         {'aegis_lane_open_jobs{lane="generate"}': 1}, after=5, labels=GENERATE),
    Case("AegisQueueStuck", "The lane embed has 3 jobs waiting and begins none",
         {RUNNING: 0, ATTEMPTS: Rising(0)}, near={RUNNING: 0, ATTEMPTS: Rising(1)}, after=10, labels=EMBED),
    Case("AegisQueueStuck", "The lane embed has 3 jobs waiting and begins none",
         {RUNNING: 0, ATTEMPTS: Rising(0)}, near={RUNNING: 1, ATTEMPTS: Rising(0)}, after=10, labels=EMBED),
    Case("AegisWorkerDeaf", "1 workers run and take no tasks",
         {'aegis_workers_alive{lane="embed"}': 1}, after=5),
    Case("AegisQuestionsWait", "A question has waited for the lane generate for 31s",
         {'aegis_lane_oldest_wait_seconds{lane="generate"}': 31},
         near={'aegis_lane_oldest_wait_seconds{lane="generate"}': 29}, after=2, labels=GENERATE),
    Case("AegisIngestionsWait", "A job has waited for the lane embed for 30m 1s",
         {'aegis_lane_oldest_wait_seconds{lane="embed"}': 1801},
         near={'aegis_lane_oldest_wait_seconds{lane="embed"}': 1799}, after=5, labels=EMBED),
    Case("AegisQueueNearlyFull", "95% of the ingest jobs that may be open are",
         {'aegis_open_jobs{kind="ingest"}': 950}, near={'aegis_open_jobs{kind="ingest"}': 900},
         after=10, labels=INGEST),
    Case("AegisDeadLettersGrow", "Jobs were given up within the last quarter of an hour",
         {'aegis_jobs{state="dead"}': 3}, near={'aegis_jobs{state="dead"}': 1}, labels={"state": "dead"}),
    Case("AegisDependencyAway", "qdrant does not answer", {'aegis_dependency_up{dependency="qdrant"}': 0},
         near={'aegis_dependency_up{dependency="redis"}': 0}, after=2, labels={"dependency": "qdrant"}),
    Case("AegisDiskNearlyFull", "9% of the disk of /data are free",
         {'aegis_disk_free_bytes{mount="/data"}': 9e9}, near={'aegis_disk_free_bytes{mount="/data"}': 11e9},
         after=10, labels={"mount": "/data"}),
    Case("AegisBrokerMemoryHigh", "Redis uses 80% of the memory that it may use",
         {"aegis_broker_memory_bytes": 800e6}, near={"aegis_broker_memory_bytes": 700e6}, after=5),
    Case("AegisBrokerMemoryHigh", "Redis uses 300% of the memory that it may use",
         {"aegis_broker_memory_limit_bytes": 100e6}, near={"aegis_broker_memory_limit_bytes": 0}, after=5),
    Case("AegisCertificateEnds", "The certificate of redis ends in 13d 0h 0m 0s",
         {CERTIFICATE: 13 * 86400}, near={CERTIFICATE: 15 * 86400}, labels={"dependency": "redis"}),
)  # fmt: skip


class TestAlerts:
    def test_each_alert_has_a_case(self) -> None:
        judged = {case.alert for case in CASES} | {"AegisTargetDown"}
        assert judged == {rule["alert"] for rule in SERVICE.rules()}

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
    def test_an_alert_comes_when_it_should_and_not_before(self, tmp_path: Path, case: Case) -> None:
        soon, due = BEFORE + case.after - 1, BEFORE + case.after

        early = SERVICE.scenario(case.figures if case.after else case.near, soon)
        near = SERVICE.scenario(case.near, due)
        late = SERVICE.scenario(case.figures, due, SERVICE.expected(case))

        SERVICE.judge(tmp_path, early, near, late)

    def test_nothing_is_said_of_what_is_well(self, tmp_path: Path) -> None:
        SERVICE.judge(tmp_path, SERVICE.scenario({}, 120))

    def test_nothing_is_said_of_an_api_that_nobody_asks(self, tmp_path: Path) -> None:
        few: Figures = {ANSWERED: Rising(0), FAILED: Rising(1), PROBED: Rising(60)}

        SERVICE.judge(tmp_path, SERVICE.scenario(few, 60), SERVICE.scenario(NO_REQUESTS, 60))

    def test_each_target_that_is_down_is_named(self, tmp_path: Path) -> None:
        case = Case("AegisTargetDown", "", {}, labels={"job": "aegis"})
        rule = SERVICE.rule(case.alert)
        raised = []
        for pod in ("a", "b"):
            alert = SERVICE.expected(case)["alert"]
            alert["exp_labels"] = {**alert["exp_labels"], "pod": pod, "instance": f"{pod}:8910"}
            summary = f"aegis at {pod}:8910 does not answer Prometheus"
            alert["exp_annotations"] = {**rule["annotations"], "summary": summary}
            raised.append({"name": case.alert, "alert": alert})
        down: Figures = {'up{job="aegis"}': 0}

        SERVICE.judge(
            tmp_path, SERVICE.scenario(down, BEFORE + 4), SERVICE.scenario(down, BEFORE + 5, *raised)
        )

    @pytest.mark.parametrize("rule", SERVICE.rules(), ids=lambda rule: rule["alert"])
    def test_an_alert_says_what_it_means_and_what_to_do(self, rule: Json) -> None:
        assert re.fullmatch(r"Aegis[A-Za-z]+", rule["alert"])
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}

    def test_no_two_alerts_have_one_name(self) -> None:
        names = [rule["alert"] for file in rule_files() for rule in file.rules()]

        assert len(rule_files()) == 3
        assert len(names) == len(set(names))


class TestPrometheus:
    @pytest.fixture(params=CONFIGURATIONS, ids=lambda file: file.stem)
    def configuration(self, request: pytest.FixtureRequest) -> Any:
        return yaml.safe_load(request.param.read_text("utf-8"))

    def test_the_file_is_sound(self, configuration: Json, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("k")
        for job in configuration["scrape_configs"]:
            if "authorization" in job:
                job["authorization"]["credentials_file"] = str(key)
        for rules in FOLDER.glob("*.rules.yml"):
            shutil.copy(rules, tmp_path)
        file = tmp_path / "prometheus.yml"
        file.write_text(yaml.safe_dump(configuration), "utf-8")

        told = run_promtool("check", "config", str(file))

        assert "3 rule files found" in told
        assert told.count("rules found") == 3

    def test_what_has_several_replicas_is_no_single_target(self, configuration: Json) -> None:
        # A Service's or load balancer's one address gives another replica at each scrape: counters jump.
        jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
        for name in ("aegis", "aegis-workers", "qdrant"):
            assert "static_configs" not in jobs[name]
            (found,) = jobs[name]["dns_sd_configs"]
            assert found["type"] == "A", "an address of each replica"

    def test_the_workers_of_each_lane_are_asked(self) -> None:
        compose, cluster = (yaml.safe_load(file.read_text("utf-8")) for file in CONFIGURATIONS)
        (named,), (headless,) = (
            [job["dns_sd_configs"][0] for job in each["scrape_configs"] if job["job_name"] == "aegis-workers"]
            for each in (compose, cluster)
        )
        services = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text("utf-8"))["services"]
        (service,) = yaml.safe_load_all(HEADLESS.read_text("utf-8"))

        assert set(named["names"]) == {f"worker-{lane}" for lane in LANES}
        assert set(named["names"]) <= services.keys()
        assert headless["names"] == [f"{service['metadata']['name']}.aegis-rag"]
        assert named["port"] == headless["port"] == service["spec"]["ports"][0]["port"]

    def test_what_asks_for_a_key_gets_it_from_a_file(self, configuration: Json) -> None:
        jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
        assert jobs["qdrant"]["authorization"]["credentials_file"].startswith("/run/secrets/")
        assert "authorization" not in jobs["aegis"], "Aegis' own asks for none"

    def test_nobody_is_asked_who_has_no_figures(self, configuration: Json) -> None:
        assert not re.search("ollama|redis|11434|6379", json.dumps(configuration["scrape_configs"]))

    def test_alerts_are_made_and_sent(self, configuration: Json) -> None:
        assert configuration["rule_files"] == ["*.rules.yml"]
        assert configuration["alerting"]["alertmanagers"]


class TestAlertmanager:
    configuration = yaml.safe_load(ALERTMANAGER.read_text("utf-8"))

    def test_the_file_is_sound(self) -> None:
        if not (amtool := shutil.which("amtool")) or "0.25" in version_of(amtool):
            missing("amtool, which comes with Alertmanager 0.26 or later")

        told = subprocess.run(
            [amtool, "check-config", ALERTMANAGER], capture_output=True, text=True, check=False
        )

        assert told.returncode == 0, told.stdout + told.stderr
        assert "1 receivers" in told.stdout

    def test_every_alert_reaches_the_operators_and_a_critical_one_again_each_hour(self) -> None:
        routes = self.configuration["route"]["routes"]
        assert [route["matchers"] for route in routes] == [['severity="critical"']]
        assert [route["repeat_interval"] for route in routes] == ["1h"]
        for rule in (rule for file in rule_files() for rule in file.rules()):
            labels = {"alertname": rule["alert"], "installation": "aegis", **rule["labels"]}
            assert routed(labels) == "operators", rule["alert"]

    def test_it_holds_no_secret(self) -> None:
        (receiver,) = self.configuration["receivers"]
        (webhook,) = receiver["webhook_configs"]
        assert webhook["url_file"].startswith("/run/secrets/")
        assert "url" not in webhook

    def test_what_it_silences_and_whom_it_tells_is_there(self) -> None:
        alerts = {rule["alert"] for file in rule_files() for rule in file.rules()}
        text = json.dumps(self.configuration["inhibit_rules"])

        named = set(re.findall(r"Aegis\w+", text))

        assert len(named) > 5
        assert named <= alerts


def routed(labels: Mapping[str, str]) -> str:
    """The receiver of an alert with these labels, by Alertmanager's own tool."""
    amtool = shutil.which("amtool")
    if amtool is None:
        missing("amtool, which comes with Alertmanager")
    named = [f"{name}={value}" for name, value in labels.items()]
    command = [amtool, "config", "routes", "test", f"--config.file={ALERTMANAGER}", *named]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def version_of(program: str) -> str:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return told.stdout + told.stderr


def metrics_in(query: str) -> set[str]:
    """The metrics that a query reads."""
    return set(re.findall(r"\b(?:aegis|http)_\w+|\bup\b", query))


def exposed(valkey: str, home: Path) -> set[str]:
    """Names of all samples that a real /metrics may have; backups are told of once there were some."""
    with serving(settings_of(valkey, home)) as service:
        service.http.get("/v1/collections")
        families = list(text_string_to_metric_families(service.http.get("/metrics").text))
    status: Any = Status()
    samples = {sample.name for family in families for sample in family.samples}
    totals = {f"{family.name}_total" for family in families if family.type == "counter"}
    return samples | totals | {family.name for family in (*families, *BackupCollector(status).collect())}


def test_every_metric_that_an_alert_is_over_is_told_by_the_api(valkey: str, tmp_path: Path) -> None:
    named = {name for rule in SERVICE.rules() for name in metrics_in(rule["expr"])}

    assert len(named) > 8
    assert named <= exposed(valkey, tmp_path) | {"up"}


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda folder: folder.name)
def test_an_overlay_may_take_the_folder_as_it_is(folder: Path) -> None:
    kubectl = REPOSITORY / ".venv/bin/kubectl"
    if not kubectl.exists():
        missing("kubectl, which `make deployment-tools` brings")
    made = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)

    assert made.returncode == 0, made.stderr
    maps = list(yaml.safe_load_all(made.stdout))
    assert {each["kind"] for each in maps} == {"ConfigMap"}
    kept = {name for each in maps for name in each["data"]}
    ours = {file.name for file in folder.rglob("*") if file.suffix in (".yml", ".json")}
    assert kept == ours - {"kubernetes.yml"}
