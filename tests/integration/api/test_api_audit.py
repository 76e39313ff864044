"""The audit log: who changed what, from where and how it ended; bounded, without bodies and secrets."""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api.routes.audit import Sparse
from api.schemas.paging import encode_cursor
from rag.redis.audit import AuditEntry, AuditKind, AuditReader
from rag.redis.connection import PREFIX, connect_to
from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import until

ROOT, WRITER = "root-of-all-the-keys", "writer-of-mine-alone"
KEYS = {
    ROOT: {"name": "root", "role": "admin", "collections": ["*"]},
    WRITER: {"name": "writer", "role": "write", "collections": ["mine"]},
    "scoped-admin-of-mine": {"name": "scoped", "role": "admin", "collections": ["mine"]},
}
SECRET = "what nobody else may read"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def api(valkey, tmp_path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as service:
        yield service


@pytest.fixture
def keyless(valkey, tmp_path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


def entries(api: Service, kind: str = "writes", **wanted: Any) -> list[dict[str, Any]]:
    answer = api.http.get("/v1/audit", params={"kind": kind, **wanted}, headers=bearer(ROOT))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def noted(api: Service, count: int, kind: str = "writes") -> list[dict[str, Any]]:
    """The newest first, once there are so many: they are written behind the answers, side by side."""
    until(lambda: len(entries(api, kind)) >= count)
    return sorted(entries(api, kind), key=lambda entry: entry["at"], reverse=True)


def test_a_write_is_noted_with_who_what_where_and_how_it_ended(api):
    ours = {**bearer(WRITER), "X-Request-ID": "request-1"}
    api.http.put("/v1/collections/mine", headers=ours)
    body = {"text": SECRET, "collection": "mine"}
    job_id = api.http.post("/v1/documents", json=body, headers=bearer(WRITER)).json()["job_id"]
    api.http.delete("/v1/documents/no%2Fsuch?collection=mine", headers=bearer(WRITER))

    deletion, ingestion, collection = noted(api, 3)

    assert collection.items() >= {
        "key": "writer", "key_id": None, "role": "write", "method": "PUT", "path": "/v1/collections/mine",
        "status": 201, "address": "127.0.0.1", "request_id": "request-1", "job_id": None,
    }.items()  # fmt: skip
    assert (ingestion["path"], ingestion["status"], ingestion["job_id"]) == ("/v1/documents", 202, job_id)
    assert (deletion["path"], deletion["status"]) == ("/v1/documents/no%2Fsuch", 404)
    assert deletion["collection"] == "mine"
    assert SECRET not in json.dumps(entries(api))


def test_questions_have_a_log_of_their_own_and_reads_none(api):
    api.http.put("/v1/collections/mine", headers=bearer(WRITER))
    asked = api.http.post(
        "/v1/queries", json={"question": SECRET, "collection": "mine"}, headers=bearer(WRITER)
    )
    api.http.get("/v1/jobs", headers=bearer(WRITER))

    (question,) = noted(api, 1, "questions")

    assert question["job_id"] == asked.json()["job_id"]
    assert SECRET not in json.dumps(question)
    assert len(noted(api, 1)) == 1


def test_each_refused_key_is_noted_and_never_shown(api):
    made = api.http.post(
        "/v1/keys", json={"name": "r", "role": "read", "collections": ["mine"]}, headers=bearer(ROOT)
    ).json()
    api.http.delete(f"/v1/keys/{made['id']}", headers=bearer(ROOT))
    api.http.get("/v1/jobs", headers=bearer("a-key-that-is-wrong"))
    api.http.get("/v1/jobs", headers=bearer(made["key"]))
    api.http.get("/v1/documents?collection=theirs", headers=bearer(WRITER))

    scope, revoked, wrong = noted(api, 3, "refusals")

    assert (wrong["key"], wrong["key_id"], wrong["status"]) == (None, None, 401)
    assert (revoked["key_id"], revoked["status"]) == (made["id"], 401)
    assert (scope["key"], scope["collection"], scope["status"]) == ("writer", "theirs", 403)
    told = json.dumps(entries(api, "refusals") + noted(api, 2))
    assert "a-key-that-is-wrong" not in told
    assert made["key"][-64:] not in told


def test_each_is_a_log_line_too_whatever_the_level(api, caplog):
    with caplog.at_level(logging.INFO, "aegis.audit"):
        api.http.put("/v1/collections/mine", headers=bearer(WRITER))
        noted(api, 1)

    (line,) = [record.getMessage() for record in caplog.records if record.name == "aegis.audit"]
    assert json.loads(line.removeprefix("audit "))["path"] == "/v1/collections/mine"
    assert logging.getLogger("aegis.audit").level == logging.INFO


@pytest.mark.parametrize("key", [WRITER, "scoped-admin-of-mine"])
def test_it_takes_an_admin_of_all_collections(api, key):
    assert api.http.get("/v1/audit", headers=bearer(key)).status_code == 403


def test_pages_lead_through_all_of_it_and_one_key_can_be_asked_for(api):
    for number in range(7):
        api.http.put(f"/v1/collections/c{number}", headers=bearer(ROOT))
        noted(api, number + 1)  # no answer waits for its entry
    api.http.put("/v1/collections/mine", headers=bearer(WRITER))
    noted(api, 8)

    paths, cursor = [], None
    while True:
        wanted = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = api.http.get("/v1/audit", params=wanted, headers=bearer(ROOT)).json()
        paths += [item["path"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert paths == ["/v1/collections/mine", *(f"/v1/collections/c{n}" for n in reversed(range(7)))]
    assert [item["path"] for item in entries(api, key="writer")] == ["/v1/collections/mine"]


@pytest.mark.parametrize("cursor", ["x", "1", "1-2-3", "99999999999999999999-1", "-", "+", "(1-1"])
def test_a_cursor_that_is_none_is_refused(api, cursor):
    for sent in (cursor, encode_cursor(cursor, "/v1/audit")):
        answer = api.http.get("/v1/audit", params={"cursor": sent}, headers=bearer(ROOT))

        assert answer.status_code == 400
        assert answer.json()["type"] == "urn:aegis:problem:invalid-cursor"


PAGE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}


@pytest.mark.parametrize(
    ("headers", "reason", "origin"),
    [
        (PAGE, "foreign-origin", "https://evil.example"),
        ({"Host": "evil.example:8910"}, "foreign-host", "evil.example:8910"),
        ({"Host": "e" * 2000}, "foreign-host", "e" * 300),
    ],
)
def test_what_a_page_sent_that_may_not_is_noted(keyless, headers, reason, origin):
    answer = keyless.http.post("/v1/documents", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, f"urn:aegis:problem:{reason}")

    (entry,) = noted(keyless, 1, "refusals")

    assert (entry["reason"], entry["origin"], entry["status"]) == (reason, origin, 403)
    assert (entry["path"], entry["address"], entry["key"]) == ("/v1/documents", "127.0.0.1", None)


@pytest.mark.parametrize("path", ["/", "/metrics", "/v1/jobs", "/nothing"])
def test_a_foreign_host_is_noted_wherever_it_asks(keyless, path):
    keyless.http.get(path, headers={"Host": "evil.example"})

    (entry,) = noted(keyless, 1, "refusals")

    assert (entry["path"], entry["reason"]) == (path, "foreign-host")


def test_what_pages_send_is_told_of_once_a_second(keyless):
    began = time.monotonic()
    for _ in range(50):
        assert keyless.http.post("/v1/backups", headers=PAGE).status_code == 403
    most = time.monotonic() - began + 2

    found = noted(keyless, 1, "refusals")

    assert len(found) <= most
    time.sleep(1.1)
    keyless.http.post("/v1/backups", headers=PAGE)
    until(lambda: sum(entry["count"] for entry in entries(keyless, "refusals")) == 51)


def test_it_is_bounded_and_refusals_push_out_no_writes(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS, audit_entries=10)) as api:
        api.http.put("/v1/collections/mine", headers=bearer(WRITER))
        for _ in range(300):
            api.http.get("/v1/jobs", headers=bearer("a-key-that-is-wrong"))

        assert len(noted(api, 1)) == 1
        with connect_to(valkey) as client:
            assert client.xlen(f"{PREFIX}audit:refusals") < 250


def test_with_no_entries_asked_for_there_are_log_lines_alone(valkey, tmp_path, caplog):
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS, audit_entries=0)) as api:
        with caplog.at_level(logging.INFO, "aegis.audit"):
            api.http.put("/v1/collections/mine", headers=bearer(WRITER))
            until(lambda: "/v1/collections/mine" in caplog.text)

        assert entries(api) == []


def test_refused_keys_beyond_the_rate_limit_are_noted_once_a_second_with_their_number(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path, api_keys=KEYS, rate_limit_requests_per_minute=3)

    def refusals() -> tuple[AuditEntry, ...]:
        return AuditReader(client).page(AuditKind.REFUSALS, key=None, cursor=None, limit=50).items

    with serving(settings) as api, connect_to(valkey) as client:
        for _ in range(20):
            api.http.get("/v1/jobs", headers=bearer("a-key-that-is-wrong"))
        time.sleep(1.1)
        assert api.http.get("/v1/jobs", headers=bearer("a-key-that-is-wrong")).status_code == 429

        until(lambda: sum(entry.count for entry in refusals()) == 21, seconds=20)
        assert {entry.status for entry in refusals()} == {401, 429}
        assert len(refusals()) < 15


def test_a_wrong_key_at_the_readiness_page_is_noted(api):
    api.http.get("/health/ready")
    api.http.get("/health/ready", headers=bearer("a-key-that-is-wrong"))

    (entry,) = noted(api, 1, "refusals")
    assert (entry["path"], entry["status"] in (200, 503)) == ("/health/ready", True)


def test_counting_addresses_takes_bounded_memory():
    sparse = Sparse()
    assert [sparse.count("one", now) for now in (0.0, 0.5, 0.9, 1.0, 1.1, 3.0)] == [1, 0, 0, 3, 0, 2]
    for number in range(30_000):
        sparse.count(str(number), 4.0)

    assert len(sparse._seen) == 10_000
