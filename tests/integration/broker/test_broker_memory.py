"""A broker whose memory ends: submits are put off, what was taken ends, and room is made again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import redis

from rag.model import JobState, Stage
from rag.redis import health
from rag.redis.connection import connect_to
from tasks.upkeep import maintenance
from tasks.upkeep.maintenance import forget_early
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.brokers import valkey_with
from tests.system.running import until
from workers.tools import Tools

MB = 1 << 20
BOUND = 8 * MB
FACTS = {f"fact-{n}": "x" * 100 for n in range(130)}  # 15 KB in each record


@pytest.fixture
def small() -> Iterator[str]:
    with valkey_with("--appendonly", "yes", "--maxmemory", str(BOUND)) as address:
        yield address


@pytest.fixture
def client(small: str) -> Iterator[redis.Redis]:
    with connect_to(small) as connected:
        yield connected


@pytest.fixture
def service(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(health, "_FRESH_SECONDS", 0.05)
    with serving(settings_of(small, tmp_path)) as started:
        yield started


def submit(service: Service) -> httpx.Response:
    return service.http.post("/v1/documents", json={"url": "http://localhost/", "metadata": FACTS})


def used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def fill(service: Service, client: redis.Redis) -> list[str]:
    """Submit from four sides until nothing more is taken; the ids of what was."""
    taken: list[str] = []

    def submit_until_full() -> None:
        while (answer := submit(service)).status_code == 202:
            taken.append(answer.json()["job_id"])
            assert used(client) < BOUND
        assert answer.status_code == 429, answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert "maxmemory" in answer.json()["detail"]

    with ThreadPoolExecutor(4) as pool:
        for side in [pool.submit(submit_until_full) for _ in range(4)]:
            side.result()
    return taken


def work_through(service: Service, job_id: str) -> None:
    """Every stage of an ingestion, with what it leaves in the broker."""
    jobs = service.parts.jobs
    for following in (Stage.EMBED, Stage.INDEX):
        lease = service.begin(job_id)
        assert jobs.put_artefact(lease, "source", bytes(200))
        assert jobs.advance(lease, following, seconds=0.1)
    service.finish(job_id, {"document_id": "d", "chunks": 1})


def test_a_flood_is_put_off_and_what_was_taken_ends(
    service: Service, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = fill(service, client)
    assert len(taken) > 50

    for job_id in taken:
        work_through(service, job_id)
        assert used(client) < BOUND
    assert service.parts.jobs.counts()[JobState.SUCCEEDED] == len(taken)
    assert submit(service).status_code == 429
    tools = Tools(service.parts.settings)
    assert forget_early(tools) == 0  # their callers may still be looking

    monkeypatch.setattr(maintenance, "SHOWN_SECONDS", -1.0)
    forgotten = forget_early(tools)

    assert 0 < forgotten <= len(taken)
    assert service.http.get(f"/v1/jobs/{taken[0]}").status_code == 404
    assert submit(service).status_code == 202


def test_dead_letters_are_never_forgotten_early(
    service: Service, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = fill(service, client)
    error = {"type": "urn:aegis:problem:model", "detail": "x"}
    for job_id in taken:
        service.parts.jobs.finish(service.begin(job_id), JobState.DEAD, error=error)

    monkeypatch.setattr(maintenance, "SHOWN_SECONDS", -1.0)

    assert forget_early(Tools(service.parts.settings)) == 0
    assert service.parts.jobs.counts()[JobState.DEAD] == len(taken)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/documents", {"url": "http://localhost/", "document_id": "d"}),
        ("/v1/queries", {"question": "Which colour has the lamp?"}),
    ],
)
def test_a_repeated_submit_gets_its_job_however_full_the_broker_is(
    service: Service, client: redis.Redis, path: str, body: dict[str, str]
) -> None:
    def sent(key: str, **changes: str) -> httpx.Response:
        return service.http.post(path, json={**body, **changes}, headers={"Idempotency-Key": key})

    first = sent("k")
    client.config_set("maxmemory", used(client))
    until(lambda: service.parts.broker.check().full, 10)

    again = sent("k")

    assert (first.status_code, again.status_code) == (202, 202), again.text
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert sent("k", **dict.fromkeys(body, "http://another/")).status_code == 422
    assert sent("another").status_code == 429


def test_a_record_that_cannot_be_written_at_all_is_put_off_too(
    service: Service, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_FRESH_SECONDS", 3600)
    assert submit(service).status_code == 202

    client.config_set("maxmemory", used(client))
    answer = submit(service)
    client.config_set("maxmemory", BOUND)

    assert answer.status_code == 429, answer.text
    assert submit(service).status_code == 202
