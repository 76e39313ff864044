"""A fleet of the image: jobs flow, and go on when broker and workers are killed."""

import httpx
import pytest

from tests.chaos.attack import Attack
from tests.chaos.ledger import Ledger
from tests.chaos.load import LIBRARY, Load
from tests.chaos.texts import FACTS, chunks_of, document
from tests.docker.conftest import SCALE
from tests.docker.fleet import WORKERS, Fleet
from tests.system.running import until
from tests.system.service import ask, finished

pytestmark = pytest.mark.timeout(900)

LEASE_SECONDS, SWEEP_SECONDS = float(SCALE.settings["LEASE_SECONDS"]), 15.0
SLACK_SECONDS = 30.0
"""For a new container's start and the rest of the work, on a busy machine."""


@pytest.fixture
def client(fleet: Fleet) -> httpx.Client:
    return httpx.Client(base_url=fleet.url, timeout=60)


def test_jobs_flow_through_containers(fleet: Fleet, client: httpx.Client) -> None:
    fact = FACTS[0]

    result = ask(client, fact.question, LIBRARY)

    assert fact.answer in result["answer"]
    assert [citation["document_id"] for citation in result["citations"]] == [fact.document_id]


def test_no_part_runs_as_root_or_leaves_an_init_out(fleet: Fleet) -> None:
    for part, container in fleet.running.items():
        status, printed = container.exec_run(["sh", "-c", "id -u; cat /proc/1/comm"])

        assert status == 0, printed
        user, init = printed.decode().split()
        assert user != "0", part
        assert init == "tini", part


def test_a_broker_that_restarts_and_is_killed_loses_and_doubles_nothing(fleet: Fleet, attack: Attack) -> None:
    def hurt(fleet: Fleet, load: Load) -> None:
        fleet.broker.restart()
        fleet.until_whole()
        until(load.reached(0.5), 120)
        fleet.broker.kill()
        fleet.broker.restart()

    attack(fleet, hurt)


def test_workers_killed_under_load_lose_and_double_nothing(fleet: Fleet, image: str, attack: Attack) -> None:
    def hurt(fleet: Fleet, load: Load) -> None:
        for part in WORKERS:
            killed = fleet.running[part]
            fleet.worker(part.removeprefix("worker-")).kill()
            fleet.remove(killed)
            fleet.run(part, image)
        fleet.until_whole()

    attack(fleet, hurt)


def test_the_job_of_a_killed_worker_goes_on_within_lease_and_sweep(
    fleet: Fleet, image: str, client: httpx.Client
) -> None:
    collection = Ledger().collection
    text = document("interrupted", 1, 600)
    job_id = client.post("/v1/documents", json={"text": text, "collection": collection}).json()["job_id"]
    until(lambda: _embeds(client, job_id), 120)

    fleet.worker("embed").kill()
    fleet.remove(fleet.running["worker-embed"])
    fleet.run("worker-embed", image)

    until(lambda: _embeds(client, job_id, attempt=2), LEASE_SECONDS + SWEEP_SECONDS + SLACK_SECONDS)
    job = finished(client, job_id)
    assert job["state"] == "succeeded", job["error"]
    assert job["result"]["chunks"] == chunks_of(text)
    (store,) = (name for name in fleet.points.collections() if name.startswith(collection))
    assert fleet.points.count(store) == chunks_of(text)


def test_a_frozen_worker_is_seen_as_unhealthy(fleet: Fleet, image: str) -> None:
    beside = fleet.running["worker-generate"]
    worker = fleet.run("worker-generate", image, checked=True)
    try:
        until(lambda: _health(worker) == "healthy", 120)

        worker.exec_run(["sh", "-c", "kill -STOP -1"])

        until(lambda: _health(worker) == "unhealthy", 180)
    finally:
        fleet.remove(worker)
        fleet.running["worker-generate"] = beside


def _embeds(client: httpx.Client, job_id: str, attempt: int = 1) -> bool:
    """Whether that attempt at embedding has got somewhere and has not ended."""
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert job["state"] in ("queued", "running"), "too quick: the document should be longer"
    return (
        (job["state"], job["stage"], job["attempts"]) == ("running", "embed", attempt)
        and 0 < job["progress"]["done"] < job["progress"]["total"]
    )  # fmt: skip


def _health(container: object) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])
