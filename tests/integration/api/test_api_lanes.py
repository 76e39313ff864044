"""/v1/lanes: the queue at this moment, and who may see its workers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.redis.heartbeats import WorkerSign
from tests.integration.apiserver import Service, serving, settings_of

ROOT, READER, NARROW = "root-key-of-sixteen", "reader-key-of-sixteen", "narrow-key-of-sixteen"
KEYS = {
    ROOT: {"name": "root", "role": "admin", "collections": ["*"]},
    READER: {"name": "reader", "role": "read", "collections": ["*"]},
    NARROW: {"name": "narrow", "role": "admin", "collections": ["mine"]},
}


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path, max_open_queries=7)) as service:
        yield service


def lane(found: dict[str, Any], name: str) -> dict[str, Any]:
    (only,) = [each for each in found["lanes"] if each["lane"] == name]
    return only


def report(api: Service, *, busy: float | None, task: str | None, idle: float = 1.0) -> None:
    sign = WorkerSign("embed-query", "embed-query@rag-1", 4711, idle, busy, task, limit=60.0, silence=30.0)
    api.parts.heartbeats.work(sign)


def test_a_queue_without_jobs_shows_every_lane(api: Service) -> None:
    found = api.http.get("/v1/lanes").raise_for_status().json()

    assert [each["lane"] for each in found["lanes"]][:2] == ["parse", "ocr"]
    assert {each["ready"] + each["running"] + each["workers"] for each in found["lanes"]} == {0}
    assert found["workers"] == []
    assert found["open_limits"]["query"] == 7


def test_ready_and_running_jobs_are_counted_in_their_lane(api: Service) -> None:
    first, second, _ = api.ask("One?"), api.ask("Two?"), api.ask("Three?")
    api.begin(first)
    api.finish(second)

    found = api.http.get("/v1/lanes").json()

    asked = lane(found, "embed-query")
    assert (asked["ready"], asked["resting"], asked["running"]) == (1, 0, 1)
    assert asked["oldest_wait_seconds"] >= 0
    assert found["open"]["query"] == 2
    assert found["jobs"]["succeeded"] == 1
    assert asked["ended"] == 1
    assert found["ended"]["succeeded"] == 1


def test_a_worker_shows_what_it_does_and_a_hung_one_does_not_count(api: Service) -> None:
    report(api, busy=3.0, task="a-job.embed_query.9f2c61")
    found = api.http.get("/v1/lanes").json()

    (worker,) = found["workers"]
    assert (worker["lane"], worker["host"], worker["pid"]) == ("embed-query", "rag-1", 4711)
    assert worker["task"] == "a-job.embed_query.9f2c61"
    assert 3.0 <= worker["busy_seconds"] < 10
    assert 0 <= worker["age_seconds"] < 10
    assert lane(found, "embed-query")["workers"] == 1

    report(api, busy=None, task=None, idle=600.0)
    found = api.http.get("/v1/lanes").json()

    assert "taken nothing" in found["workers"][0]["error"]
    assert lane(found, "embed-query")["workers"] == 0


def test_only_an_admin_of_all_collections_sees_workers(valkey: str, tmp_path: Path) -> None:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as api:
        report(api, busy=None, task=None)

        shown = {
            key: api.http.get("/v1/lanes", headers={"Authorization": f"Bearer {key}"}).json() for key in KEYS
        }

        assert [each["host"] for each in shown[ROOT]["workers"]] == ["rag-1"]
        assert (shown[READER]["workers"], shown[NARROW]["workers"]) == (None, None)
        assert "rag-1" not in str(shown[READER])
        assert lane(shown[READER], "embed-query")["workers"] == 1
        assert api.http.get("/v1/lanes").status_code == 401
