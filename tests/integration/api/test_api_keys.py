"""Keys, scopes, the rate limit and CORS, over HTTP."""

import time

import pytest

from tests.integration.apiserver import serving, settings_of

KEYS = {
    "r" * 16: {"name": "reader", "role": "read", "collections": ["mine"]},
    "w" * 16: {"name": "writer", "role": "write", "collections": ["mine"]},
    "a" * 16: {"name": "admin", "role": "admin", "collections": ["*"]},
}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def api(valkey, tmp_path):
    with serving(
        settings_of(valkey, tmp_path, api_keys=KEYS, cors_origins=["https://app.example"])
    ) as service:
        yield service


@pytest.mark.parametrize(
    "headers", [{}, bearer("x"), {"Authorization": "Basic a"}, {"Authorization": "Bearer"}]
)
def test_every_v1_call_needs_a_key(api, headers):
    for method, path in [
        ("GET", "/v1/jobs"),
        ("GET", "/v1/documents"),
        ("POST", "/v1/documents"),
        ("GET", "/v1/collections"),
        ("GET", "/v1/jobs/x/events"),
    ]:
        answer = api.http.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health", "/health/live", "/metrics"])
def test_what_is_open_stays_open(api, path):
    assert api.http.get(path).status_code == 200


def test_an_upload_without_a_key_is_refused_before_it_is_read(api):
    sent = 0

    def body():
        nonlocal sent
        for _ in range(200):
            sent += 1
            yield b"x" * 100_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert api.http.post("/v1/documents", content=body(), headers=headers).status_code == 401


def test_jobs_are_of_the_key_that_handed_them_in(api):
    writer, reader, admin = bearer("w" * 16), bearer("r" * 16), bearer("a" * 16)
    text = {"text": "x", "collection": "mine", "document_id": "d"}
    made = [
        api.http.post("/v1/documents", json=text, headers=writer),
        api.http.post("/v1/queries", json={"question": "x", "collection": "mine"}, headers=reader),
        api.http.post("/v1/collections/mine/reindex", json={"force": True}, headers=writer),
        api.http.post("/v1/backups", headers=admin),
        api.http.delete("/v1/collections/mine", headers=admin),
    ]

    jobs = [api.parts.jobs.get(answer.json()["job_id"]) for answer in made]

    assert [job.owner for job in jobs] == ["writer", "reader", "writer", "admin", "admin"]


def test_roles(api):
    assert api.http.put("/v1/collections/mine", headers=bearer("r" * 16)).status_code == 403
    assert api.http.put("/v1/collections/mine", headers=bearer("w" * 16)).status_code == 201
    text = {"text": "x", "collection": "mine"}
    question = {"question": "x", "collection": "mine"}
    assert api.http.post("/v1/documents", json=text, headers=bearer("r" * 16)).status_code == 403
    ingest = api.http.post("/v1/documents", json=text, headers=bearer("w" * 16)).json()["job_id"]
    query = api.http.post("/v1/queries", json=question, headers=bearer("r" * 16)).json()["job_id"]
    assert api.http.delete(f"/v1/jobs/{ingest}", headers=bearer("r" * 16)).status_code == 403
    assert api.http.delete(f"/v1/jobs/{query}", headers=bearer("r" * 16)).status_code == 202


def test_a_scope_holds_everywhere(api):
    admin, writer = bearer("a" * 16), bearer("w" * 16)
    for name in ("mine", "theirs"):
        api.http.put(f"/v1/collections/{name}", headers=admin)
    job = api.http.post("/v1/queries", json={"question": "x", "collection": "theirs"}, headers=admin).json()[
        "job_id"
    ]
    api.publish("d", collection="theirs")

    def of_writer(method: str, path: str, **more):
        return api.http.request(method, path, headers=writer, **more).status_code

    assert of_writer("POST", "/v1/queries", json={"question": "x", "collection": "theirs"}) == 403
    assert of_writer("POST", "/v1/queries", json={"question": "x"}) == 403
    assert of_writer("POST", "/v1/documents", json={"text": "x", "collection": "theirs"}) == 403
    assert of_writer("GET", "/v1/documents?collection=theirs") == 403
    assert of_writer("GET", "/v1/documents/d/text?collection=theirs") == 403
    assert of_writer("DELETE", "/v1/documents/d?collection=theirs") == 403
    assert of_writer("GET", "/v1/collections/theirs") == 403
    assert of_writer("DELETE", "/v1/collections/theirs") == 403
    assert of_writer("GET", "/v1/jobs?collection=theirs") == 403
    for method, path in [("GET", ""), ("GET", "/events"), ("DELETE", ""), ("POST", "/retry")]:
        assert of_writer(method, f"/v1/jobs/{job}{path}") == 404
    assert api.http.get("/v1/jobs", headers=writer).json()["items"] == []
    assert [c["name"] for c in api.http.get("/v1/collections", headers=writer).json()["items"]] == ["mine"]
    assert len(api.http.get("/v1/jobs", headers=admin).json()["items"]) == 1


def test_two_callers_may_use_the_same_idempotency_key(api):
    api.http.put("/v1/collections/mine", headers=bearer("w" * 16))
    body = {"question": "x", "collection": "mine"}

    jobs = {
        api.http.post("/v1/queries", json=body, headers={**bearer(key), "Idempotency-Key": "k"}).json()[
            "job_id"
        ]
        for key in ("r" * 16, "w" * 16, "w" * 16)
    }

    assert len(jobs) == 2


def test_cors_lets_the_named_origin_in(api):
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,idempotency-key,prefer"

    allowed = api.http.options("/v1/queries", headers=asked)
    refused = api.http.get("/v1/jobs", headers={"Origin": "https://app.example"})
    foreign = api.http.get("/health", headers={"Origin": "https://evil.example"})

    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in foreign.headers


def test_the_rate_limit_counts_each_key_alone(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path, api_keys=KEYS, rate_limit_reads_per_minute=3)
    with serving(settings) as api:
        codes = [api.http.get("/v1/jobs", headers=bearer("r" * 16)).status_code for _ in range(4)]
        over = api.http.get("/v1/jobs", headers=bearer("r" * 16))

        assert codes == [200, 200, 200, 429]
        assert 1 <= int(over.headers["retry-after"]) <= 60
        assert over.json()["type"] == "urn:aegis:problem:overloaded"
        assert api.http.get("/v1/jobs", headers=bearer("a" * 16)).status_code == 200
        assert api.http.get("/health/live").status_code == 200


def test_wrong_keys_are_counted_too(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path, api_keys=KEYS, rate_limit_requests_per_minute=2)
    with serving(settings) as api:
        assert [api.http.get("/v1/jobs", headers=bearer(str(n))).status_code for n in range(3)] == [
            401,
            401,
            429,
        ]


@pytest.mark.parametrize("limit", [0, 50])
def test_without_a_broker_calls_get_503_soon(limit, tmp_path):
    settings = settings_of(f"unix://{tmp_path}/nobody.sock", tmp_path, rate_limit_requests_per_minute=limit)
    with serving(settings) as api:
        started = time.monotonic()
        for answer in (
            api.http.get("/v1/jobs"),
            api.http.get("/v1/jobs/x?wait=5"),
            api.http.get("/v1/jobs/x/events"),
            api.http.post("/v1/queries", json={"question": "x"}),
            api.http.post("/v1/documents", json={"text": "x"}),
        ):
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["type"] == "urn:aegis:problem:unavailable"
            assert "nobody.sock" not in answer.text
        assert time.monotonic() - started < 20
        assert api.http.get("/health").json()["status"] == "degraded"
        assert api.http.get("/health/live").status_code == 200
        ready = api.http.get("/health/ready")
        assert (ready.status_code, ready.json()["components"]["broker"]["ready"]) == (503, False)
        assert "aegis_broker_up 0.0" in api.http.get("/metrics").text
