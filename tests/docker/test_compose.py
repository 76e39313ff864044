"""docker-compose.yml with its servers: its page's commands, black-box tests, containers killed under load."""

import json
from collections.abc import Iterator

import httpx
import pytest
from docker import DockerClient
from docker.models.containers import Container

from tests.chaos.attack import Attack
from tests.chaos.caller import client_of
from tests.chaos.load import Load, stock
from tests.chaos.texts import CHUNK_TOKENS
from tests.docker.composition import FIRST, PAGE, Composition, composition, failed_requests
from tests.docker.conftest import SCALE
from tests.docker.standins.images import OLLAMA_MODEL, standins
from tests.readme import json_objects
from tests.system.running import UNSCHEDULED, until
from tests.system.service import new_collection
from tests.system.test_queries import *  # noqa: F403 - all of them, through the load balancer

pytestmark = pytest.mark.timeout(900)

BACKUP, SCALING = "Backup and restore", "Scaling"
LONG = "\n\n".join(f"Paragraph {n} speaks about matter {n * 7919} at length." * 8 for n in range(200))


@pytest.fixture(scope="module")
def asked(
    docker_client: DockerClient, part_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Composition, str]]:
    """Up by the commands of the page, with images that can be made here; and what its first calls printed."""
    with composition(docker_client, tmp_path_factory.mktemp("compose")) as made:
        prepare, start, ask, _ = PAGE[FIRST]
        made.run(prepare.text)
        made.run_images(part_images)
        made.configure(
            **standins(docker_client, part_images["worker"]),
            COMPOSE_PROFILES="production,cpu,prometheus",  # of the others no program can be had here
            JAEGER_ENDPOINT="",
            OLLAMA_MODEL=OLLAMA_MODEL,
            RATE_LIMIT_REQUESTS_PER_MINUTE="0",
        )
        made.set_aegis(
            CHUNK_TOKENS=str(CHUNK_TOKENS), GENERATOR_MAX_TOKENS="32", **UNSCHEDULED, **SCALE.settings
        )
        made.run(start.text)
        yield made, made.run_calls(ask)
        made.run(PAGE["Remove"][0].text)
        assert made.remains() == []


@pytest.fixture(scope="module")
def stack(asked: tuple[Composition, str]) -> Composition:
    """From now on without the model, whose answers are slow and no two alike."""
    made, _ = asked
    made.set_aegis(GENERATOR="extractive")
    made.run("docker compose up --detach --no-deps --force-recreate --wait worker-generate")
    return made


@pytest.fixture(scope="module")
def client(stack: Composition) -> Iterator[httpx.Client]:
    with client_of(stack.url, timeout=60) as http:
        yield http


def test_the_first_calls_of_the_page_are_answered(asked: tuple[Composition, str]) -> None:
    ingested, answered = json_objects(asked[1])

    assert ingested["state"] == "succeeded", ingested
    assert answered["state"] == "succeeded", answered
    assert answered["result"]["generator"] == "ollama"
    assert answered["result"]["hits"][0]["document_id"] == "vpn.md"


def test_the_doctor_finds_nothing_to_mend(stack: Composition) -> None:
    stack.run(PAGE[FIRST][3].text)


def test_without_a_key_nobody_comes_in(stack: Composition) -> None:
    answer = httpx.get(f"http://127.0.0.1:{stack.ports['API_PORT']}/v1/jobs")

    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_events_come_while_the_job_runs(client: httpx.Client) -> None:
    body = {"text": LONG, "collection": new_collection()}
    job_id = client.post("/v1/documents", json=body).json()["job_id"]

    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        first = next(stream.iter_lines())
        state = client.get(f"/v1/jobs/{job_id}").json()["state"]

    assert first
    assert state in ("queued", "running")


def test_containers_have_given_up_what_they_do_not_need(stack: Composition) -> None:
    for container in stack.containers():
        host = container.attrs["HostConfig"]

        assert host["ReadonlyRootfs"], container.name
        assert host["CapDrop"] == ["ALL"], container.name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], container.name
        assert host["Memory"] > 0, container.name
        assert host["RestartPolicy"]["Name"] == "unless-stopped", container.name


def test_other_machines_reach_the_load_balancer_alone(stack: Composition) -> None:
    published = {
        container.name.removeprefix(f"{stack.name}-"): {each["HostIp"] for each in addresses}
        for container in stack.containers()
        for addresses in container.attrs["NetworkSettings"]["Ports"].values()
        if addresses
    }

    assert published.pop("load-balancer-1") == {"0.0.0.0"}
    assert published == {"flower-1": {"127.0.0.1"}, "prometheus-1": {"127.0.0.1"}}


def test_inspecting_a_container_shows_no_secret(stack: Composition) -> None:
    secrets = stack.secret_values()
    shown = {container.name: json.dumps(container.attrs) for container in stack.containers()}

    assert secrets
    assert [name for name, text in shown.items() if any(secret in text for secret in secrets)] == []


def test_prometheus_asks_each_replica_and_nobody_else_can(stack: Composition, client: httpx.Client) -> None:
    replicas = {f"{address}:8910" for address in map(stack.address_of, stack.containers("api"))}

    until(lambda: _targets(stack, "aegis") == dict.fromkeys(replicas, "up"), 90)

    assert client.get("/metrics").status_code == httpx.codes.NOT_FOUND
    assert client.get("/%6detrics").status_code == httpx.codes.NOT_FOUND


def test_flower_shows_the_workers_to_whoever_has_the_password(stack: Composition) -> None:
    url = f"http://127.0.0.1:{stack.ports['FLOWER_PORT']}/"
    login = httpx.BasicAuth(*stack.secret("flower_login").strip().split(":"))

    assert httpx.get(url).status_code == httpx.codes.UNAUTHORIZED
    assert "worker" in httpx.get(url, auth=login).raise_for_status().text


def test_a_lane_is_scaled_by_the_command_of_the_page(stack: Composition) -> None:
    stack.run(PAGE[SCALING][0].text)

    assert len(stack.containers("worker-embed")) == 2


def test_a_backup_is_made_and_verified_by_the_commands_of_the_page(stack: Composition) -> None:
    assert "is whole" in stack.run(PAGE[BACKUP][0].text)


def test_a_replica_and_workers_killed_under_load_cost_no_request_and_no_job(
    stack: Composition, attack: Attack
) -> None:
    stock(stack.url)

    def hurt(stack: Composition, load: Load) -> None:
        victims = [stack.containers(service)[0] for service in ("api", "worker-parse", "worker-embed")]
        for victim in victims:
            stack.crash(victim)
            until(lambda: _started_again(victim), 60)  # noqa: B023 - asked in this round
        stack.until_whole()

    account = attack(stack, hurt)

    assert failed_requests(account) == {}


def _targets(stack: Composition, job: str) -> dict[str, str]:
    """Health by the address of each target of a job."""
    page = httpx.get(f"http://127.0.0.1:{stack.ports['PROMETHEUS_PORT']}/api/v1/targets").json()
    found = [target for target in page["data"]["activeTargets"] if target["labels"]["job"] == job]
    return {target["labels"]["instance"]: target["health"] for target in found}


def _started_again(container: Container) -> bool:
    before = container.attrs["State"]["StartedAt"]
    container.reload()
    state = container.attrs["State"]
    return bool(state["Running"]) and state["StartedAt"] != before
