"""A full queue over HTTP: refused with the time to come back, and the command line comes back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest

from cli.client.client import Client
from cli.commands.answers import follow_answer
from cli.ingestion.ingestion import ingest
from cli.ingestion.walk import files
from rag.model import JobState, Stage
from tests.deliveries import begin
from tests.integration.apiserver import Service, serving, settings_of

MOST = 3
SUBMITS = [
    ("/v1/queries", lambda n: {"json": {"question": f"Why {n}?"}}),
    ("/v1/documents", lambda n: {"files": {"file": ("a.txt", f"text {n}".encode())}}),
    ("/v1/documents", lambda n: {"json": {"text": f"text {n}"}}),
]


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    """A server whose queues hold three jobs of a kind, and a collection that is there."""
    with serving(settings_of(valkey, tmp_path, max_open_ingests=MOST, max_open_queries=MOST)) as service:
        service.http.put("/v1/collections/aegis_docs_v2").raise_for_status()
        yield service


def open_jobs(api: Service) -> list[str]:
    """Ids of the jobs that wait, oldest first."""
    window = api.parts.jobs.page(states=[JobState.QUEUED], collections=None, cursor=None, limit=100)
    return [job.id for job in reversed(window.items)]


def is_refused(answer: httpx.Response) -> bool:
    assert answer.status_code == 429, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    return bool(answer.json()["type"] == "urn:aegis:problem:overloaded")


@pytest.mark.parametrize(("path", "body"), SUBMITS)
def test_what_is_over_the_limit_is_refused_and_leaves_nothing(api, path, body):
    for n in range(MOST):
        assert api.http.post(path, **body(n)).status_code == 202
    stored = set(api.parts.blobs.keys("sources"))

    assert is_refused(api.http.post(path, **body(MOST)))

    assert len(open_jobs(api)) == MOST
    assert set(api.parts.blobs.keys("sources")) == stored
    api.finish(open_jobs(api)[0])
    assert api.http.post(path, **body(MOST)).status_code == 202


def test_what_is_run_again_needs_room_like_what_is_new(api):
    path, body = SUBMITS[2]
    dead = [api.http.post(path, **body(n)).json()["job_id"] for n in range(MOST)]
    for job_id in dead:
        lease = begin(api.parts.jobs, job_id, Stage.PARSE, lease_seconds=30)
        assert api.parts.jobs.finish(lease, JobState.DEAD, error={"type": "urn:aegis:problem:unavailable"})
    for n in range(MOST - 1):
        assert api.http.post(path, **body(n)).status_code == 202

    answer = api.http.post("/v1/dead-letters/replay", json={})

    assert (answer.status_code, answer.json()) == (202, {"replayed": 1, "left": 2})
    assert is_refused(api.http.post(f"/v1/dead-letters/{dead[0]}/replay"))
    assert is_refused(api.http.post(f"/v1/jobs/{dead[0]}/retry"))
    assert len(open_jobs(api)) == MOST


def test_a_queue_full_of_documents_takes_questions(api):
    for n in range(MOST):
        assert api.http.post("/v1/documents", json={"text": f"text {n}"}).status_code == 202

    assert api.http.post("/v1/queries", json={"question": "Why?"}).status_code == 202
    assert is_refused(api.http.post("/v1/documents", json={"text": "one more"}))


@pytest.mark.parametrize(("path", "body"), SUBMITS)
def test_what_was_accepted_is_answered_again_however_full_the_queue_is(api, path, body):
    key = {"Idempotency-Key": "order-1"}
    first = api.http.post(path, headers=key, **body(0))
    for n in range(1, MOST):
        api.http.post(path, **body(n))
    assert is_refused(api.http.post(path, headers={"Idempotency-Key": "order-2"}, **body(9)))

    again = api.http.post(path, headers=key, **body(0))

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    api.finish(open_jobs(api)[0])
    later = api.http.post(path, headers={"Idempotency-Key": "order-2"}, **body(9))
    assert later.status_code == 202
    assert "idempotency-replayed" not in later.headers


def test_the_time_to_come_back_follows_from_how_fast_jobs_end(api):
    def refused_for() -> int:
        answer = api.http.post("/v1/queries", json={"question": "One more?"})
        assert is_refused(answer)
        return int(answer.headers["retry-after"])

    for _ in range(MOST):
        api.ask()
    stuck = refused_for()
    for _ in range(12):
        api.finish(open_jobs(api)[0])
        api.ask()

    assert refused_for() < stuck


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command line was told to wait; it waits a hundredth of that."""
    told: list[float] = []

    def short(client: Client, seconds: float) -> bool:
        told.append(seconds)
        return client._stopped.wait(seconds / 100)

    monkeypatch.setattr(Client, "sleep", short)
    return told


@pytest.fixture
def worker(api: Service) -> Iterator[list[int]]:
    """Somebody who ends the oldest waiting job again and again; sees how many wait each time."""
    over = Event()
    seen: list[int] = []

    def work() -> None:
        while not over.wait(0.02):
            waiting = open_jobs(api)
            seen.append(len(waiting))
            if waiting:
                api.finish(waiting[0], {"answer": "So.", "citations": [], "chunks": 1})

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        yield seen
        over.set()
        working.result(30)


@pytest.mark.parametrize("wait", [True, False])
def test_a_folder_larger_than_the_queue_goes_in_whole(api, naps, worker, tmp_path, wait):
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(8 * MOST):
        (folder / f"{n:02}.txt").write_text(f"text {n}")

    with Client(api.url) as client:
        outcomes = ingest(client, files([folder]), None, wait=wait, done=lambda outcome: None)

    assert [outcome.reason for outcome in outcomes] == [None] * 8 * MOST
    assert len({outcome.job["id" if wait else "job_id"] for outcome in outcomes}) == 8 * MOST
    assert any(seconds >= 1 for seconds in naps)
    assert max(worker) <= MOST


def test_a_question_waits_for_its_turn(api, naps, worker):
    for _ in range(MOST):
        api.ask()

    with Client(api.url) as client:
        result = follow_answer(client, client.ask("And mine?")["job_id"], lambda piece: None)

    assert result["answer"] == "So."
