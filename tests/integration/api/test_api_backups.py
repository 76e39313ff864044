"""Backups over HTTP: what is taken, what is refused, what is shown, and who may do it."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from rag.backups.vault import Vault
from rag.model import Engine, JobKind, JobState, Json, Manifest, SavedCollection, Stream
from rag.settings import Settings
from tests.integration.apiserver import Service, serving, settings_of

KEYS = {
    "w" * 16: {"name": "writer", "role": "write", "collections": ["*"]},
    "s" * 16: {"name": "scoped", "role": "admin", "collections": ["docs"]},
    "a" * 16: {"name": "admin", "role": "admin", "collections": ["*"]},
}
ADMIN = {"Authorization": f"Bearer {'a' * 16}"}
NOON = 1_700_000_000.0
FIRST, SECOND, THIRD = (
    str(UUID(int=int(1000 * (NOON + 3600 * n)) << 80 | 0x7B1E9A441D2F5A0C7E10)) for n in range(3)
)
"""Ids tell when their jobs were accepted."""

DOCS = SavedCollection(
    name="docs",
    store="docs-1",
    generation=1,
    layout=0,
    embedding_model="all-MiniLM-L6-v2",
    dimension=384,
    token_dimension=None,
    created_at=NOON,
    highest=9,
    documents=3,
    points=12,
    late=1,
    digest="ab" * 32,
    packs={},
    files=(),
    documents_stream="documents",
    golden_stream="golden",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(valkey_server: str, home: Path) -> Iterator[Service]:
    with serving(settings_of(valkey_server, home, api_keys=KEYS)) as service:
        service.http.headers.update(ADMIN)
        yield service


@pytest.fixture(scope="module")
def vault(running: Service) -> Vault:
    """With two backups; of the newer one the collections are docs and wiki."""
    vault = Vault.of(running.parts.settings)
    vault.seal(backup(vault, FIRST, NOON, DOCS))
    vault.seal(backup(vault, SECOND, NOON + 3600, DOCS, replace(DOCS, name="wiki", points=30)))
    return vault


@pytest.fixture
def api(running: Service, vault: Vault, valkey: str) -> Service:
    """The running server over an empty database, and the backups."""
    return running


def backup(vault: Vault, backup_id: str, began: float, *collections: SavedCollection) -> Manifest:
    part = vault.store(f"of {backup_id}".encode())
    return Manifest(
        id=backup_id,
        began_at=began,
        finished_at=began + 60,
        mode="incremental",
        trigger="schedule",
        application="1.2.3",
        engine=Engine("edge", "0.7"),
        sources="copied",
        collections=collections,
        streams=(Stream("documents", (part,)), Stream("golden", (part,))),
        configuration={"collection_name": "docs"},
        missing=("the second layout of wiki",),
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:aegis:problem:")


def job_of(api: Service, answer: httpx.Response) -> Any:
    assert answer.status_code == 202, answer.text
    job = api.parts.jobs.get(answer.json()["job_id"])
    assert job is not None
    return job


def test_a_backup_is_a_job(api):
    answer = api.http.post("/v1/backups")
    full = job_of(api, api.http.post("/v1/backups", json={"mode": "full"}))

    shown = api.http.get(answer.headers["Location"]).json()
    assert (shown["kind"], shown["state"], shown["stage"]) == ("backup", "queued", "snapshot")
    assert job_of(api, answer).inputs == {"mode": "incremental", "trigger": "request"}
    assert full.inputs["mode"] == "full"
    kinds = api.http.get("/v1/jobs", params={"kind": "backup"}).json()["items"]
    assert len(kinds) == 2


def test_waiting_for_one_and_sending_it_twice(api):
    headers = {"Idempotency-Key": "k"}
    first = api.http.post("/v1/backups", headers=headers)
    api.finish(first.json()["job_id"], {"backup": "1", "bytes": 5})
    again = api.http.post("/v1/backups", headers={**headers, "Prefer": "wait=5"})
    other = api.http.post("/v1/backups", json={"mode": "full"}, headers=headers)

    assert (again.status_code, again.json()["id"]) == (200, first.json()["job_id"])
    assert again.json()["result"] == {"backup": "1", "bytes": 5}
    assert again.headers["Idempotency-Replayed"] == "true"
    assert code(other) == (422, "idempotency-mismatch")


def test_the_list_tells_what_each_has(api):
    newer, older = api.http.get("/v1/backups").json()["items"]

    assert (newer["id"], older["id"]) == (SECOND, FIRST)
    assert older["began_at"] == "2023-11-14T22:13:20Z"
    assert (newer["documents"], newer["points"], newer["objects"]) == (6, 42, 1)
    assert newer["bytes"] > 0
    assert not newer["encrypted"]
    assert newer["engine"] == {"kind": "edge", "version": "0.7"}
    assert newer["missing"] == ["the second layout of wiki"]
    assert older["collections"] == [
        {
            "name": "docs",
            "documents": 3,
            "points": 12,
            "digest": "ab" * 32,
            "embedding_model": "all-MiniLM-L6-v2",
            "dimension": 384,
            "late": 1,
        }
    ]


def test_the_list_goes_on_where_a_page_ended(api):
    first = api.http.get("/v1/backups", params={"limit": 1}).json()
    second = api.http.get("/v1/backups", params={"limit": 1, "cursor": first["next"]}).json()

    assert [item["id"] for item in first["items"] + second["items"]] == [SECOND, FIRST]
    assert second["next"] is None


def test_one_backup_with_the_settings_that_made_it(api):
    assert api.http.get(f"/v1/backups/{FIRST}").json()["configuration"] == {"collection_name": "docs"}
    assert api.http.get("/v1/backups/latest").json()["id"] == SECOND
    before = api.http.get("/v1/backups/latest", params={"at": "2023-11-14T22:20:00Z"})
    assert before.json()["id"] == FIRST
    for unknown in (THIRD, "none", "..%2Fparts"):
        assert api.http.get(f"/v1/backups/{unknown}").status_code == 404
    too_early = api.http.get("/v1/backups/latest", params={"at": "2020-01-01T00:00:00+02:00"})
    assert code(too_early) == (404, "not-found")
    assert code(api.http.get(f"/v1/backups/{FIRST}?at=2023-11-14T22:20:00Z")) == (422, "invalid-request")


def test_a_damaged_manifest_is_told_apart(api, vault, home):
    vault.seal(backup(vault, THIRD, NOON + 7200, DOCS))
    path = home / "backups" / "manifests" / THIRD
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    try:
        damaged, *others = api.http.get("/v1/backups").json()["items"]
        alone = api.http.get(f"/v1/backups/{THIRD}")
        verified = api.http.post(f"/v1/backups/{THIRD}/verify")
    finally:
        path.unlink()

    assert damaged["id"] == THIRD
    assert damaged["error"]["type"] == "urn:aegis:problem:damaged-backup"
    assert THIRD in damaged["error"]["detail"]
    assert [other["id"] for other in others] == [SECOND, FIRST]
    assert code(alone) == code(verified) == (409, "damaged-backup")
    assert [item["id"] for item in api.http.get("/v1/backups").json()["items"]] == [SECOND, FIRST]


@pytest.mark.parametrize(("what", "stage"), [("verify", "verify"), ("rehearse", "verify")])
def test_a_backup_is_tried_by_a_job(api, what, stage):
    job = job_of(api, api.http.post(f"/v1/backups/latest/{what}"))

    assert (job.kind, job.stage, job.inputs) == (what, stage, {"backup": SECOND})
    assert code(api.http.post(f"/v1/backups/{THIRD}/{what}")) == (404, "not-found")


def test_a_prune_is_a_job(api):
    assert job_of(api, api.http.post("/v1/backups/prune")).kind is JobKind.PRUNE


@pytest.mark.parametrize(
    ("backup_id", "body", "inputs"),
    [
        ("latest", None, {"backup": SECOND}),
        (SECOND, {"collection": "wiki", "into": "wiki-2"}, {"collection": "wiki", "into": "wiki-2"}),
        (FIRST, {"into": "docs-2"}, {"collection": "docs", "into": "docs-2"}),
        ("latest", {"at": "2023-11-14T23:20:00+01:00"}, {"backup": FIRST, "at": NOON + 400}),
        (FIRST, {"at": "2023-11-14T22:20:00Z", "replay": False}, {"at": NOON + 400, "replay": False}),
        (FIRST, {"deletions": True}, {"deletions": True}),
    ],
)
def test_a_restore_is_a_job(api, backup_id, body, inputs):
    job = job_of(api, api.http.post(f"/v1/backups/{backup_id}/restore", json=body))

    everything: Json = {"backup": backup_id, "collection": None, "into": None, "at": None}
    everything |= {"replay": True, "deletions": False}
    assert (job.kind, job.stage) == ("restore", "verify")
    assert job.inputs == {**everything, **inputs}


@pytest.mark.parametrize(
    ("backup_id", "body", "refusal"),
    [
        (THIRD, {}, (404, "not-found")),
        (FIRST, {"collection": "wiki"}, (404, "not-found")),
        (SECOND, {"into": "copy"}, (422, "invalid-request")),
        (FIRST, {"into": "a/b"}, (422, "invalid-request")),
        (FIRST, {"collection": "docs", "into": "there"}, (409, "conflict")),
        ("latest", {"at": "2999-01-01T00:00:00Z"}, (422, "invalid-request")),
        ("latest", {"at": "2023-11-14T22:20:00"}, (422, "invalid-request")),
        ("latest", {"at": "2020-01-01T00:00:00Z"}, (404, "not-found")),
        (SECOND, {"at": "2023-11-14T22:20:00Z"}, (422, "invalid-request")),
        (FIRST, {"colection": "docs"}, (422, "invalid-request")),
    ],
)
def test_what_cannot_be_restored_is_refused(api, backup_id, body, refusal):
    api.http.put("/v1/collections/there").raise_for_status()

    assert code(api.http.post(f"/v1/backups/{backup_id}/restore", json=body)) == refusal
    assert api.http.get("/v1/jobs", params={"kind": "restore"}).json()["items"] == []


def test_a_restore_that_is_sent_twice_does_not_meet_its_own_collection(api):
    def send() -> httpx.Response:
        body = {"collection": "docs", "into": "copy"}
        headers = {"Idempotency-Key": "k"}
        return api.http.post("/v1/backups/latest/restore", json=body, headers=headers)

    first = send()
    api.http.put("/v1/collections/copy").raise_for_status()

    assert send().json()["job_id"] == first.json()["job_id"]


def test_how_backups_stand(api):
    assert api.http.get("/v1/backups/standing").json()["backup"] == {"last": None, "last_good": None}
    assert "aegis_backup_" not in api.http.get("/metrics").text
    now = time.time()
    word = {"job": "1", "backup": SECOND, "seconds": 4.0, "bytes": 77}
    api.parts.backup_status.note(JobKind.BACKUP, {**word, "at": now - 60, "ok": True})
    api.parts.backup_status.note(JobKind.BACKUP, {**word, "at": now - 5, "ok": False, "error": "full"})

    standing = api.http.get("/v1/backups/standing").json()
    metrics = dict(line.split() for line in api.http.get("/metrics").text.splitlines() if line[0] != "#")

    assert standing["backup"]["last"]["error"] == "full"
    assert standing["backup"]["last_good"]["figures"] == {"bytes": 77}
    assert standing["rehearse"] == {"last": None, "last_good": None}
    assert float(metrics["aegis_backup_ok"]) == 0
    assert 64 < float(metrics["aegis_backup_age_seconds"]) < 120
    assert float(metrics["aegis_backup_bytes"]) == 77
    assert float(metrics["aegis_backup_seconds"]) == 4
    assert "aegis_backup_rehearsal_ok" not in metrics


@pytest.mark.parametrize("key", ["w", "s"])
def test_backups_take_an_admin_of_all_collections(api, key):
    lesser = {"Authorization": f"Bearer {key * 16}"}
    job_id = api.http.post("/v1/backups").json()["job_id"]
    died = api.http.post("/v1/backups/prune").json()["job_id"]
    error = {"type": "urn:aegis:problem:crashed", "detail": "no"}
    api.parts.jobs.finish(api.begin(died), JobState.DEAD, error=error)

    def of_lesser(method: str, path: str, **more: Any) -> int:
        return api.http.request(method, path, headers=lesser, **more).status_code

    for method, path in (
        ("POST", ""), ("GET", ""), ("GET", "/standing"), ("POST", "/prune"), ("GET", f"/{FIRST}"),
        ("POST", f"/{FIRST}/verify"), ("POST", f"/{FIRST}/rehearse"), ("POST", f"/{FIRST}/restore"),
    ):  # fmt: skip
        assert of_lesser(method, f"/v1/backups{path}") == 403
    unreached = 403 if key == "w" else 404  # a key with a scope does not even see it
    for method, path in (
        ("DELETE", f"/v1/jobs/{job_id}"), ("POST", f"/v1/jobs/{died}/retry"),
        ("POST", f"/v1/dead-letters/{died}/replay"), ("DELETE", f"/v1/dead-letters/{died}"),
    ):  # fmt: skip
        assert of_lesser(method, path) == unreached
    replayed = api.http.post("/v1/dead-letters/replay", json={}, headers=lesser)
    assert replayed.json() == {"replayed": 0}
    dropped = api.http.delete("/v1/dead-letters", params={"all": True}, headers=lesser)
    assert dropped.json() == {"dropped": 0}
    letter = api.http.get(f"/v1/dead-letters/{died}").json()
    assert (letter["kind"], letter["stage"]) == ("prune", "prune")
    assert api.http.post(f"/v1/dead-letters/{died}/replay").status_code == 202
    assert api.http.delete(f"/v1/jobs/{job_id}").status_code == 202


def test_a_bucket_that_is_away_stops_only_what_reads_it(valkey, tmp_path, monkeypatch):
    for name, value in (
        ("ENDPOINT_URL", "http://127.0.0.1:9"),
        ("ACCESS_KEY_ID", "a"),
        ("SECRET_ACCESS_KEY", "b"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    settings: Settings = settings_of(valkey, tmp_path, backup_url="s3://backups", aws_allow_http=True)

    with serving(settings) as api:
        listed = api.http.get("/v1/backups")
        accepted = api.http.post("/v1/backups")
        jobs = api.http.get("/v1/jobs")

    assert code(listed) == (503, "unavailable")
    assert int(listed.headers["Retry-After"]) >= 1
    assert accepted.status_code == 202  # the job waits for the bucket
    assert jobs.status_code == 200
