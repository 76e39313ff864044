"""What one tenant learns of another: nothing, by text, by listing, or by how long an answer takes."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rag.model import JobState
from rag.redis.heartbeats import WorkerSign
from rag.system.disks import Room
from tests.integration.apiserver import Service, serving, settings_of

ROOT = "root-of-all-the-keys"
KEYS = {
    ROOT: {"name": "root", "role": "admin", "collections": ["*"]},
    "ann-who-reads-mine": {"name": "ann", "role": "read", "collections": ["mine"]},
    "bob-who-reads-mine": {"name": "bob", "role": "read", "collections": ["mine"]},
    "writer-of-mine-alone": {"name": "writer", "role": "write", "collections": ["mine"]},
    "admin-of-mine-alone": {"name": "boss", "role": "admin", "collections": ["mine"]},
}
ANN, BOB, WRITER, BOSS = list(KEYS)[1:]
UNKNOWN = "01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def api(valkey, tmp_path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as service:
        for name in ("mine", "theirs"):
            service.http.put(f"/v1/collections/{name}", headers=bearer(ROOT)).raise_for_status()
        yield service


def asked(api: Service, key: str, collection: str = "mine") -> str:
    body = {"question": "What is mine?", "collection": collection}
    answer = api.http.post("/v1/queries", json=body, headers=bearer(key))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def ingested(api: Service, key: str, collection: str = "mine") -> str:
    body = {"text": "x", "collection": collection}
    return str(api.http.post("/v1/documents", json=body, headers=bearer(key)).json()["job_id"])


def die(api: Service, job_id: str) -> str:
    error = {"type": "urn:aegis:problem:crashed", "detail": "no"}
    assert api.parts.jobs.finish(api.begin(job_id), JobState.DEAD, error=error)
    return job_id


def told(api: Service, key: str, method: str, path: str, job_id: str, **more: Any) -> tuple[int, str]:
    """Status and text of the answer about a job, as if it had another id."""
    answer = api.http.request(method, path.format(job_id), headers=bearer(key), **more)
    return answer.status_code, answer.text.replace(job_id, "ID")


ABOUT_JOBS = [
    ("GET", "/v1/jobs/{}"),
    ("GET", "/v1/jobs/{}?wait=1"),
    ("GET", "/v1/jobs/{}/events"),
    ("GET", "/v1/events?job={}"),
    ("DELETE", "/v1/jobs/{}"),
    ("POST", "/v1/jobs/{}/retry"),
    ("GET", "/v1/dead-letters/{}"),
    ("POST", "/v1/dead-letters/{}/replay"),
    ("DELETE", "/v1/dead-letters/{}"),
]


@pytest.mark.parametrize(("method", "path"), ABOUT_JOBS)
@pytest.mark.parametrize("key", [ANN, WRITER, BOSS])
def test_a_job_of_others_is_answered_like_one_that_is_not_there(api, key, method, path):
    alive, dead = asked(api, ROOT, "theirs"), die(api, ingested(api, ROOT, "theirs"))
    nothing = told(api, key, method, path, UNKNOWN)

    assert told(api, key, method, path, alive) == told(api, key, method, path, dead) == nothing
    assert nothing[0] == (403 if key == ANN and "dead-letters" in path and method != "GET" else 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/collections/{}"),
        ("PUT", "/v1/collections/{}"),
        ("DELETE", "/v1/collections/{}"),
        ("POST", "/v1/collections/{}/rollback"),
        ("POST", "/v1/collections/{}/finish"),
        ("GET", "/v1/documents?collection={}"),
        ("GET", "/v1/documents/d?collection={}"),
        ("GET", "/v1/documents/d/text?collection={}"),
        ("GET", "/v1/documents/d/content?collection={}"),
        ("HEAD", "/v1/documents/d/content?collection={}"),
        ("GET", "/v1/documents/d/chunks?collection={}"),
        ("GET", "/v1/documents/d/chunks?chunk_id=c&collection={}"),
        ("PATCH", "/v1/documents/d?collection={}"),
        ("DELETE", "/v1/documents/d?collection={}"),
        ("GET", "/v1/jobs?collection={}"),
        ("GET", "/v1/dead-letters?collection={}"),
        ("DELETE", "/v1/dead-letters?collection={}"),
    ],
)
def test_a_collection_outside_the_scope_is_forbidden_whether_it_is_there_or_not(api, method, path):
    api.publish("d", collection="theirs")

    def answer(name: str) -> tuple[int, str]:
        found = api.http.request(method, path.format(name), headers=bearer(WRITER))
        return found.status_code, found.text.replace(name, "NAME")

    assert answer("theirs") == answer("nobodys")
    assert answer("theirs")[0] == 403


@pytest.mark.parametrize("backup", ["latest", UNKNOWN])
def test_backups_are_forbidden_whether_they_are_there_or_not(api, backup):
    for method, path in (("GET", ""), ("POST", "/verify"), ("POST", "/restore")):
        assert told(api, BOSS, method, f"/v1/backups/{{}}{path}", backup)[0] == 403


def test_a_reader_sees_its_own_questions_alone(api):
    mine, others = asked(api, ANN), asked(api, BOB)
    document = ingested(api, WRITER)

    def seen(key: str, path: str = "/v1/jobs") -> set[str]:
        return {item["id"] for item in api.http.get(path, headers=bearer(key)).json()["items"]}

    assert seen(ANN) == {mine, document}
    assert seen(ANN, "/v1/jobs?kind=query") == {mine}
    assert seen(BOB) == {others, document}
    assert seen(WRITER) == seen(BOSS) == seen(ROOT) == {mine, others, document}
    for method, path in (ABOUT_JOBS[n] for n in range(7)):
        assert told(api, ANN, method, path, others) == told(api, ANN, method, path, UNKNOWN)
    assert api.http.delete(f"/v1/jobs/{mine}", headers=bearer(ANN)).status_code == 202


def test_a_reader_sees_its_own_dead_questions_alone(api):
    mine, others = die(api, asked(api, ANN)), die(api, asked(api, BOB))

    def letters(key: str) -> set[str]:
        return {item["id"] for item in api.http.get("/v1/dead-letters", headers=bearer(key)).json()["items"]}

    assert letters(ANN) == {mine}
    assert letters(WRITER) == {mine, others}


def test_pages_of_a_reader_lead_past_the_questions_of_others(api):
    own = []
    for _ in range(4):
        asked(api, BOB)
        own.append(asked(api, ANN))
        asked(api, BOB)

    found, cursor = [], None
    while True:
        wanted = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.http.get("/v1/jobs", params=wanted, headers=bearer(ANN)).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert found == own[::-1]


def test_a_full_page_does_not_tell_that_others_have_more(api):
    for _ in range(3):
        ingested(api, ROOT, "theirs")
        asked(api, BOB)
    own = [asked(api, ANN) for _ in range(2)]

    page = api.http.get("/v1/jobs?limit=2", headers=bearer(ANN)).json()

    assert [item["id"] for item in page["items"]] == own[::-1]
    assert page["next"] is None


def test_how_long_an_answer_takes_tells_nothing_of_a_job_of_others(api):
    """The record of the others' job is large, which reading it would show."""
    large = asked(api, ROOT, "theirs")
    api.finish(large, {"answer": "x" * 8_000_000})
    seconds: dict[str, list[float]] = {large: [], UNKNOWN: []}

    for _ in range(30):
        for job_id, taken in seconds.items():
            began = time.perf_counter()
            assert api.http.get(f"/v1/jobs/{job_id}", headers=bearer(ANN)).status_code == 404
            taken.append(time.perf_counter() - began)

    there, not_there = (statistics.median(taken) for taken in seconds.values())
    assert there < 2 * not_there, f"{there * 1000:.1f} ms, and {not_there * 1000:.1f} ms where there is none"


@pytest.fixture
def alive(valkey, tmp_path) -> Iterator[Service]:
    """With a worker whose host and process are not for everybody to know."""
    token, most = "the-token-of-health", 3
    fields = {"api_keys": KEYS, "health_token": token, "rate_limit_requests_per_minute": most}
    with serving(settings_of(valkey, tmp_path, **fields)) as service:
        sign = WorkerSign("parse", "parse@host-of-mine", 4711, 0.0, None, None, limit=60.0, silence=30.0)
        service.parts.heartbeats.work(sign)
        yield service


def ready(api: Service, **headers: str) -> str:
    answer = api.http.get("/health/ready", headers=headers)
    components = answer.json()["components"]
    assert components["parse"]["ready"]
    assert not components["embed"]["ready"]
    return answer.text


@pytest.mark.parametrize("headers", [{}, bearer(ANN), bearer(WRITER), bearer(BOSS), bearer("a-wrong-one")])
def test_readiness_tells_up_and_down_alone(alive, headers):
    assert "host-of-mine" not in ready(alive, **headers)
    assert "4711" not in ready(alive, **headers)


def test_a_full_disk_is_told_to_everybody_and_how_full_to_admins(alive, monkeypatch):
    monkeypatch.setattr(Room, "reserve", 1 << 60)

    seen, by_admin = (
        alive.http.get("/health/ready", headers=headers).json()["components"]["disk"]
        for headers in ({}, bearer(ROOT))
    )

    assert not seen["ready"]
    assert seen["detail"] == {}
    assert by_admin["detail"]["reserve_mb"] == 1 << 40
    assert by_admin["detail"]["free_mb"] < 1 << 40


@pytest.mark.parametrize("token", [ROOT, "the-token-of-health"])
def test_readiness_tells_an_admin_and_the_supervisor_everything(alive, token):
    assert "host-of-mine" in ready(alive, **bearer(token))


def test_readiness_is_no_place_to_try_keys_at(alive):
    for number in range(3):
        ready(alive, **bearer(f"wrong-{number}"))

    assert alive.http.get("/health/ready", headers=bearer("wrong-3")).status_code == 429
    assert alive.http.get("/health/ready").json()["components"]["parse"]["ready"]


def test_without_keys_readiness_tells_everything(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path)) as api:
        sign = WorkerSign("parse", "parse@host-of-mine", 4711, 0.0, None, None, limit=60.0, silence=30.0)
        api.parts.heartbeats.work(sign)

        assert "host-of-mine" in ready(api)
