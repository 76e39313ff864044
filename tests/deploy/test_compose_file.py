"""docker-compose.yml as Compose reads it: what can be set, and faults that must not come back."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.submit.submissions import LANES
from tests.chaos.requirements import missing
from tests.operators import ALWAYS, ROLES

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
FOLDER = ROOT / "deploy/compose"
COMPOSE = Path(sys.executable).parent / "docker-compose"

ONE_SHOTS = {"ollama-pull", "s3-bucket"}
DASHBOARDS = {"flower", "prometheus", "alertmanager", "grafana", "jaeger"}
PARTS = {"api", "beat", "flower", "broker", "vectors", *(f"worker-{lane}" for lane in LANES)}
PRIVATE = re.compile(r"KEY|PASSWORD|SECRET|TOKEN|BASIC_AUTH|REDIS_URL")
ELSEWHERE = {"API_HOST", "API_PORT"}
"""Where the load balancer is published; inside, the API has fixed ones."""

Service = dict[str, Any]
Services = dict[str, Service]


@cache
def read(*variables: tuple[str, str], example: str = ".env.example") -> Services:
    """Every service, with ``variables`` added to the example of settings."""
    if not COMPOSE.exists():
        missing("Docker Compose: make deployment-tools")
    command = [str(COMPOSE), "--file", str(FILE), "--env-file", str(FOLDER / example), "--profile", "*"]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **dict(variables)}
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    services: Services = json.loads(done.stdout)["services"]
    return services


@pytest.fixture
def services() -> Services:
    return read()


def running(services: Services) -> Iterator[tuple[str, Service]]:
    """Those that are there for as long as the installation is."""
    return ((name, service) for name, service in services.items() if name not in ONE_SHOTS)


# --- what there is


def test_each_part_of_aegis_is_a_service(services: Services) -> None:
    assert services.keys() >= PARTS
    assert services["api"]["deploy"]["replicas"] == 3


@pytest.mark.parametrize("variable", sorted({*ALWAYS, *ROLES} - ELSEWHERE))
def test_each_variable_of_the_operators_is_settable(variable: str) -> None:
    given = {name: value for name, value in {**ALWAYS, **ROLES}.items() if name not in ELSEWHERE}

    parts = read(*given.items())

    assert {parts[name]["environment"][variable] for name in PARTS} == {given[variable]}


def test_the_address_of_the_api_is_where_the_load_balancer_is_published() -> None:
    services = read(("API_HOST", "192.0.2.1"), ("API_PORT", "8080"))

    (published,) = services["load-balancer"]["ports"]
    assert (published["host_ip"], published["published"], published["target"]) == ("192.0.2.1", "8080", 8910)


def test_an_empty_variable_leaves_its_role_to_the_embedded_part() -> None:
    api = read(example="embedded.env.example")["api"]["environment"]

    assert {
        api[name] for name in ("QDRANT_URL", "OLLAMA_URL", "BLOB_URL", "REDIS_URL", "REDIS_URL_FILE")
    } == {""}


def test_without_settings_it_says_what_to_do() -> None:
    if not COMPOSE.exists():
        missing("Docker Compose: make deployment-tools")
    done = subprocess.run(
        [str(COMPOSE), "--file", str(FILE), "--env-file", os.devnull, "config"],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "copy deploy/compose/.env.example to .env first" in done.stderr


# --- faults that must not come back


def test_only_the_load_balancer_is_published_to_other_machines(services: Services) -> None:
    hosts = {
        name: {port.get("host_ip") for port in each["ports"]}
        for name, each in services.items()
        if each.get("ports")
    }

    assert hosts.pop("load-balancer") == {"0.0.0.0"}
    assert hosts == {name: {"127.0.0.1"} for name in DASHBOARDS}


def test_no_service_of_several_replicas_is_published(services: Services) -> None:
    several = [name for name, each in services.items() if each["deploy"].get("replicas", 1) > 1]

    assert several == ["api"]
    assert "ports" not in services["api"]


def test_health_checks_use_programs_that_the_images_have(services: Services) -> None:
    checks = {
        name: " ".join(each["healthcheck"]["test"])
        for name, each in services.items()
        if "healthcheck" in each
    }

    assert not [name for name, check in checks.items() if "curl" in check]
    assert "/readyz" in checks["qdrant"]
    assert checks["ollama"] == "CMD ollama list"
    assert checks.keys() == {name for name, _ in running(services)} - PARTS  # theirs are in their images


def test_no_limit_of_processors_stops_the_start(services: Services) -> None:
    for name, service in services.items():
        assert "cpus" not in service, name
        assert "cpus" not in service["deploy"]["resources"]["limits"], name


def test_each_service_has_a_limit_of_memory_that_can_be_set(services: Services) -> None:
    text = FILE.read_text("utf-8")

    for name, service in running(services):
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
    assert not re.findall(r"limits: \{memory: (?!\"\$\{|512m)", text)


def test_each_image_is_pinned_and_can_be_replaced(services: Services) -> None:
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
    assert not re.findall(r"^ +image: (?!\$\{[A-Z0-9_]+_IMAGE:-)", FILE.read_text("utf-8"), re.MULTILINE)


def test_no_secret_is_in_the_environment(services: Services) -> None:
    for name, service in services.items():
        found = [
            key for key, value in service.get("environment", {}).items() if PRIVATE.search(key) and value
        ]
        assert [key for key in found if not key.endswith("_FILE")] == [], name


def test_secrets_are_files(services: Services) -> None:
    text = FILE.read_text("utf-8")

    assert re.findall(r"^  \S+: \{(\w+): .*SECRETS_DIR", text, re.MULTILINE)
    assert set(re.findall(r"^  \S+: \{(\w+): .*SECRETS_DIR", text, re.MULTILINE)) == {"file"}


def test_containers_give_up_what_they_do_not_need(services: Services) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert any(mount.split(":")[0] == "/tmp" for mount in service["tmpfs"]), name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert "privileged" not in service, name


def test_what_ends_is_started_again(services: Services) -> None:
    assert {service["restart"] for _, service in running(services)} == {"unless-stopped"}
    assert {services[name]["restart"] for name in ONE_SHOTS} == {"on-failure:5"}


def test_a_part_waits_for_the_servers_that_run_here(services: Services) -> None:
    for name in ("api", "beat", "worker-embed"):
        waits = {
            server: (on["condition"], on["required"]) for server, on in services[name]["depends_on"].items()
        }
        assert waits == {
            **dict.fromkeys(("redis", "qdrant", "broker", "vectors"), ("service_healthy", False)),
            "s3-bucket": ("service_completed_successfully", False),
        }
    assert (
        services["worker-generate"]["depends_on"]["ollama-pull"]["condition"]
        == "service_completed_successfully"
    )
    assert services["load-balancer"]["depends_on"]["api"]["condition"] == "service_healthy"


def test_a_worker_has_the_time_to_end_its_stage(services: Services) -> None:
    assert {services[f"worker-{lane}"]["stop_grace_period"] for lane in LANES} == {"30s"}


def test_nothing_is_obsolete_or_may_collide_with_another_network() -> None:
    text = FILE.read_text("utf-8")

    assert not re.search(r"^version:", text, re.MULTILINE)
    assert not re.search(r"ipam|subnet|container_name", text)


def test_qdrant_forms_no_cluster_of_one(services: Services) -> None:
    assert not [key for key in services["qdrant"]["environment"] if "CLUSTER" in key]


def test_servers_have_no_way_out(services: Services) -> None:
    assert {name for name, each in services.items() if each["networks"].keys() == {"stores"}} == {
        "redis", "qdrant", "s3", "s3-bucket", "broker",
    }  # fmt: skip


def test_the_gpu_goes_to_ollama_alone(services: Services) -> None:
    with_devices = [name for name, each in services.items() if "devices" in str(each["deploy"])]

    assert with_devices == ["ollama-gpu"]
    assert services["ollama-gpu"]["networks"]["default"]["aliases"] == ["ollama"]


# --- secrets


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = make_secrets(folder)

    assert make_secrets(folder) == first
    assert folder.stat().st_mode & 0o777 == 0o700
    named = re.findall(r"SECRETS_DIR:-[^}]+\}/([\w.]+)", FILE.read_text("utf-8"))
    assert set(named) == first.keys() - {"redis_url_supervisor"}


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    contents = ("\n".join(make_secrets(tmp_path / name).values()) for name in ("one", "two"))

    one, two = ({*re.findall(r"\b[0-9a-f]{48}\b", content)} for content in contents)
    assert len(one) == 13
    assert not one & two


def test_redis_knows_no_password_and_asks_everybody_for_one(tmp_path: Path) -> None:
    users = make_secrets(tmp_path)["redis_users.acl"].splitlines()

    assert users[0] == "user default off"
    assert all(re.search(r" on #[0-9a-f]{64} ", user) for user in users[1:-1])
    assert users[-1] == "user health on nopass -@all +ping +acl|load"


def make_secrets(folder: Path) -> dict[str, str]:
    """Run the script; what the files hold."""
    subprocess.run([str(FOLDER / "make-secrets.sh"), str(folder)], check=True, capture_output=True)
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_servers_have_the_versions_that_the_manifests_have(services: Services) -> None:
    here = dict(each["image"].split(":") for each in services.values() if "aegis-rag/" not in each["image"])
    folder = ROOT / "deploy/k8s/components"
    pinned = (yaml.safe_load(path.read_text("utf-8")) for path in folder.glob("*/kustomization.yaml"))
    there = {image["name"]: image["newTag"] for each in pinned for image in each.get("images", [])}

    shared = here.keys() & there.keys()
    assert {name: here[name] for name in shared} == {name: there[name] for name in shared}
    assert {"valkey/valkey", "qdrant/qdrant", "ollama/ollama"} <= shared


def test_each_worker_shows_its_figures_at_one_port_that_is_not_published(services: Services) -> None:
    workers = {name: service for name, service in services.items() if name.startswith("worker-")}

    assert set(workers) == {f"worker-{lane}" for lane in LANES}
    assert {service["environment"]["METRICS_PORT"] for service in workers.values()} == {"9464"}
    assert not any(service.get("ports") for service in workers.values())
