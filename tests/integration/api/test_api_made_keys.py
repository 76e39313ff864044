"""Keys that the service makes, over HTTP: made, rotated, revoked, in force at once, and never shown again."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from rag.access.keys import digest_of
from rag.blobs.store import ObstoreBlobs
from rag.journal.journal import Journal
from rag.redis.connection import PREFIX, connect_to
from rag.registry.keys import KeyRestoration
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.brokers import declare_intact
from tests.system.running import until

ROOT = "root-of-all-the-keys"
KEYS = {
    ROOT: {"name": "root", "role": "admin", "collections": ["*"]},
    "scoped-admin-of-mine": {"name": "scoped", "role": "admin", "collections": ["mine"]},
    "writer-of-everything": {"name": "writer", "role": "write", "collections": ["*"]},
}
READER = {"name": "reader", "role": "read", "collections": ["mine"]}
ADMIN = {"name": "boss", "role": "admin", "collections": ["*"]}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def api(valkey, tmp_path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as service:
        yield service


def make(api: Service, **fields: Any) -> dict[str, Any]:
    answer = api.http.post("/v1/keys", json={**READER, **fields}, headers=bearer(ROOT))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def status(api: Service, key: str, path: str = "/v1/jobs") -> int:
    return api.http.get(path, headers=bearer(key)).status_code


def listed(api: Service) -> dict[str, dict[str, Any]]:
    items = api.http.get("/v1/keys", headers=bearer(ROOT)).json()["items"]
    return {item["id"]: item for item in items}


def test_a_key_is_shown_once_and_kept_as_its_hash(api, valkey, tmp_path):
    made = make(api)

    assert status(api, made["key"]) == 200
    assert made["state"] == "active"
    assert made["created_by"] == "root"
    secret = made["key"].rpartition("_")[2]
    assert secret not in api.http.get("/v1/keys", headers=bearer(ROOT)).text
    assert secret not in api.http.get(f"/v1/keys/{made['id']}", headers=bearer(ROOT)).text
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    with connect_to(valkey) as client:
        kept += b"".join(client.hvals(f"{PREFIX}keys"))
    assert digest_of(made["key"]).encode() in kept
    assert secret.encode() not in kept


def test_role_and_scope_hold(api):
    key = make(api)["key"]

    assert status(api, key, "/v1/jobs?collection=theirs") == 403
    assert api.http.put("/v1/collections/mine", headers=bearer(key)).status_code == 403
    assert status(api, key, "/v1/keys") == 403


@pytest.mark.parametrize("key", ["scoped-admin-of-mine", "writer-of-everything"])
def test_keys_take_an_admin_of_all_collections(api, key):
    made = make(api)

    def code(method: str, path: str = "", **more: Any) -> int:
        return api.http.request(method, f"/v1/keys{path}", headers=bearer(key), **more).status_code

    assert code("GET") == code("POST", json=ADMIN) == 403
    for known in (made["id"], "unknown"):
        assert code("GET", f"/{known}") == code("DELETE", f"/{known}") == 403
        assert code("POST", f"/{known}/rotate") == code("POST", f"/{known}/activate") == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x", "role": "read"},
        {**READER, "role": "root"},
        {**READER, "collections": []},
        {**READER, "collections": ["*", "mine"]},
        {**READER, "collections": ["no good"]},
        {**READER, "name": ""},
        {**READER, "name": "anybody"},
        {**READER, "name": "a:b"},
        {**READER, "rolle": "admin"},
        {**READER, "expires_at": "2001-01-01T00:00:00Z"},
        {**READER, "expires_at": "2099-01-01T00:00:00"},
        {**READER, "expires_at": 1},
        {**READER, "expires_at": "9999-12-31T23:59:59-23:59"},
        {**READER, "expires_at": "0001-01-01T00:00:00+23:59"},
        {**READER, "collections": [f"c{number}" for number in range(101)]},
    ],
)
def test_what_does_not_say_all_makes_no_key(api, body):
    assert api.http.post("/v1/keys", json=body, headers=bearer(ROOT)).status_code == 422
    assert len(listed(api)) == 1


def test_names_are_unique_until_their_key_is_revoked(api):
    first = make(api)

    for name in ("reader", "root"):
        again = api.http.post("/v1/keys", json={**READER, "name": name}, headers=bearer(ROOT))
        assert again.status_code == 409
        assert "name" in again.json()["detail"]

    api.http.delete(f"/v1/keys/{first['id']}", headers=bearer(ROOT))
    assert make(api)["id"] != first["id"]


def test_a_revoked_key_opens_nothing_from_the_next_request_on_in_any_process(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path, api_keys=KEYS)
    with ExitStack() as stack:
        one, other = (stack.enter_context(serving(settings)) for _ in range(2))
        for number in range(20):
            made = make(one, name=f"reader {number}")
            assert status(other, made["key"]) == 200
            revoked = one.http.delete(f"/v1/keys/{made['id']}", headers=bearer(ROOT))
            assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
            assert status(other, made["key"]) == 401
            assert status(one, made["key"]) == 401
        again = one.http.delete(f"/v1/keys/{made['id']}", headers=bearer(ROOT))
        assert again.json() == revoked.json()


def test_a_rotated_key_is_good_twice_for_a_while(api):
    made = make(api)

    rotated = api.http.post(f"/v1/keys/{made['id']}/rotate", json={"grace_seconds": 2}, headers=bearer(ROOT))

    assert rotated.status_code == 200
    assert rotated.headers["cache-control"] == "no-store"
    assert rotated.json()["id"] == made["id"]
    assert rotated.json()["grace_until"] is not None
    assert status(api, rotated.json()["key"]) == 200
    until(lambda: status(api, made["key"]) == 401, seconds=10)
    assert status(api, rotated.json()["key"]) == 200


def test_a_key_that_leaked_is_rotated_without_grace(api):
    made = make(api)

    api.http.post(f"/v1/keys/{made['id']}/rotate", json={"grace_seconds": 0}, headers=bearer(ROOT))

    assert status(api, made["key"]) == 401


def test_a_key_expires(api):
    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()

    made = make(api, expires_at=soon)

    assert status(api, made["key"]) == 200
    until(lambda: status(api, made["key"]) == 401, seconds=15)
    assert listed(api)[made["id"]]["state"] == "expired"


def test_the_last_use_is_noted_once_a_minute(api, valkey):
    made = make(api)
    assert listed(api)[made["id"]]["last_used_at"] is None
    assert status(api, made["key"][:-1] + ("0" if made["key"][-1] != "0" else "1")) == 401
    assert listed(api)[made["id"]]["last_used_at"] is None

    assert status(api, made["key"]) == 200

    first = listed(api)[made["id"]]["last_used_at"]
    assert abs(datetime.fromisoformat(first) - datetime.now(UTC)) < timedelta(minutes=1)
    assert status(api, made["key"]) == 200
    assert listed(api)[made["id"]]["last_used_at"] == first


def test_a_broker_that_takes_no_writes_lets_readers_in(api, valkey):
    made = make(api)
    with connect_to(valkey) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(OutOfMemoryError):
                client.set("{aegis}:x", 1)
            assert status(api, made["key"]) == 200
        finally:
            client.config_set("maxmemory", before)


def test_wrong_secrets_and_unknown_ids_are_counted_and_refused_alike(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path, api_keys=KEYS, rate_limit_requests_per_minute=4)
    with serving(settings) as api:
        made = make(api)
        wrong = made["key"][:-64] + "0" * 64
        unknown = "aegis_" + "a" * 16 + "_" + "0" * 64
        answers = [api.http.get("/v1/jobs", headers=bearer(key)) for key in (wrong, unknown, wrong)]

        assert [answer.status_code for answer in answers] == [401, 401, 401]
        assert len({answer.text for answer in answers}) == 1
        assert [status(api, wrong), status(api, wrong)] == [401, 429]
        assert status(api, made["key"]) == 200


def test_the_first_key_closes_the_door(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path)
    with ExitStack() as stack:
        api, other = (stack.enter_context(serving(settings)) for _ in range(2))
        assert api.http.get("/v1/jobs").status_code == other.http.get("/v1/jobs").status_code == 200
        lesser = api.http.post("/v1/keys", json=READER)
        assert (lesser.status_code, lesser.json()["type"]) == (422, "urn:aegis:problem:invalid-request")
        assert api.http.get("/v1/jobs").status_code == 200

        made = api.http.post("/v1/keys", json=ADMIN).json()

        assert other.http.post("/v1/keys", json={**ADMIN, "name": "too late"}).status_code == 401
        until(lambda: api.http.get("/v1/jobs").status_code == 401, seconds=5)
        until(lambda: other.http.get("/v1/jobs").status_code == 401, seconds=5)
        assert status(other, made["key"]) == 200
        api.http.delete(f"/v1/keys/{made['id']}", headers=bearer(made["key"]))
        assert api.http.get("/v1/jobs").status_code == 401
        assert status(api, made["key"]) == 401


def test_nobody_changes_the_first_key_where_it_is_not_known_yet(valkey, tmp_path, monkeypatch):
    monkeypatch.setattr("rag.registry.keys._OPEN_SECONDS", 3600.0)
    settings = settings_of(valkey, tmp_path)
    with serving(settings) as api, serving(settings) as other:
        assert other.http.get("/v1/jobs").status_code == 200
        made = api.http.post("/v1/keys", json=ADMIN).json()
        assert other.http.get("/v1/jobs").status_code == 200, "it knows of the key already"

        for method, path in (("POST", "/rotate"), ("DELETE", ""), ("POST", "/activate")):
            refused = other.http.request(method, f"/v1/keys/{made['id']}{path}")
            assert refused.status_code in (401, 409)
            assert "aegis_" not in refused.text

        assert status(api, made["key"]) == 200


def test_with_keys_required_nobody_comes_in_before_there_is_one(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path, keys_required=True)) as api:
        assert api.http.get("/v1/jobs").status_code == 401
        assert api.http.post("/v1/keys", json=ADMIN).status_code == 401


def restored(valkey: str, settings: Any) -> None:
    """As the maintenance lane does when Redis has lost its data."""
    with connect_to(valkey) as client:
        keys = KeyRestoration(client)
        keys.restore(Journal(ObstoreBlobs.of(settings)).made_keys())
        declare_intact(client)


def test_keys_outlive_the_brokers_data(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path)
    with serving(settings) as api, connect_to(valkey) as client:
        boss = api.http.post("/v1/keys", json=ADMIN).json()
        made = api.http.post("/v1/keys", json=READER, headers=bearer(boss["key"])).json()
        gone = api.http.post("/v1/keys", json={**READER, "name": "gone"}, headers=bearer(boss["key"])).json()
        api.http.delete(f"/v1/keys/{gone['id']}", headers=bearer(boss["key"]))

        client.flushall()
        assert status(api, made["key"]) == 503
    with serving(settings) as api:
        assert api.http.get("/v1/jobs").status_code == 503
        restored(valkey, settings)

        assert api.http.get("/v1/jobs").status_code == 401
        assert status(api, made["key"]) == 200
        assert status(api, gone["key"]) == 401
        again = api.http.post("/v1/keys", json=READER, headers=bearer(boss["key"]))
        assert again.status_code == 409


def test_what_the_servers_last_second_lost_is_in_force_all_the_same(valkey, tmp_path):
    """Redis is back as it was before a key was made and another one revoked, and nobody has mended it yet."""
    settings = settings_of(valkey, tmp_path)
    with serving(settings) as api, connect_to(valkey) as client:
        boss = api.http.post("/v1/keys", json=ADMIN).json()
        revoked = api.http.post("/v1/keys", json=READER, headers=bearer(boss["key"])).json()
        before = {name: client.dump(name) for name in client.scan_iter(f"{PREFIX}keys*")}
        api.http.delete(f"/v1/keys/{revoked['id']}", headers=bearer(boss["key"]))
        new = api.http.post("/v1/keys", json=READER, headers=bearer(boss["key"])).json()
        client.unlink(*client.scan_iter(f"{PREFIX}keys*"))
        for name, value in before.items():
            client.restore(name, 0, value)
        assert status(api, revoked["key"]) == 200, "the test set nothing back"

        client.set(f"{PREFIX}intact", "0" * 40)

        assert status(api, revoked["key"]) == 401
        assert status(api, new["key"]) == 200
        client.unlink(*client.scan_iter(f"{PREFIX}keys*"))
        with serving(settings) as started:
            assert started.http.get("/v1/jobs").status_code == 401


def test_a_journal_that_cannot_be_written_is_told_and_mended(api, monkeypatch, tmp_path):
    made = make(api)
    folder = tmp_path / "blobs" / "journal" / "keys"
    folder.rename(folder.with_name("away"))
    folder.write_text("a file in its place")

    answer = api.http.delete(f"/v1/keys/{made['id']}", headers=bearer(ROOT))

    assert answer.status_code == 503
    assert status(api, made["key"]) == 401
    folder.unlink()
    folder.with_name("away").rename(folder)
    assert api.http.delete(f"/v1/keys/{made['id']}", headers=bearer(ROOT)).status_code == 200
    assert b'"revoked_at":null' not in (folder / made["id"]).read_bytes()
