"""What the API answers to requests as browsers send them for pages elsewhere; no browser is needed for it."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from tests.integration.apiserver import Service, serving, settings_of

FETCH = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
FORM = {
    "Origin": "null", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
    "Content-Type": "application/x-www-form-urlencoded",
}  # fmt: skip
OLD = {"Origin": "https://evil.example"}
KEYS = {"a-key-of-sixteen-or-more": {"name": "ci", "role": "admin", "collections": ["*"]}}


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


@pytest.mark.parametrize("headers", [FETCH, FORM, OLD])
def test_every_route_that_changes_something_refuses_a_foreign_page(
    api: Service, headers: dict[str, str]
) -> None:
    described = api.http.get("/openapi.json").json()["paths"]
    changing = [
        (method, path.replace("{", "").replace("}", ""))
        for path, operations in described.items()
        for method in operations
        if method != "get"
    ]

    answers = [api.http.request(method, path, headers=headers, content=b"{}") for method, path in changing]

    assert len(answers) > 15
    assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {
        (403, "urn:aegis:problem:foreign-origin")
    }
    assert api.http.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/v1/jobs", "/health", "/metrics", "/openapi.json", "/console/console.js"]
)
def test_another_host_reads_nothing(api: Service, path: str) -> None:
    for host in ("evil.example", "evil.example:8910", "127.0.0.1.evil.example", ""):
        answer = api.http.get(path, headers={"Host": host})

        assert answer.status_code in (400, 403)  # the server itself refuses an empty one
        assert answer.headers.get("content-type") != "text/html"


def test_a_refusal_is_a_problem_that_is_counted_and_has_an_id(api: Service) -> None:
    answer = api.http.post("/v1/backups", headers=FETCH)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]
    assert "CORS_ORIGINS" in answer.json()["detail"]
    counted, deadline = 'http_requests_total{handler="none",method="POST",status="403"}', monotonic() + 10
    while counted not in api.http.get("/metrics").text:  # a request is counted once its answer is sent
        assert monotonic() < deadline
        sleep(0.1)


def test_an_origin_that_may_call_does_everything(valkey: str, tmp_path: Path) -> None:
    app = {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    with serving(settings_of(valkey, tmp_path, cors_origins=["https://app.example.com"])) as api:
        allowed = api.http.post("/v1/backups", headers=app)

        assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (202, app["Origin"])
        assert api.http.post("/v1/backups", headers=FETCH).status_code == 403


def test_with_a_key_any_host_may_lead_here_and_a_foreign_page_still_may_not(
    valkey: str, tmp_path: Path
) -> None:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS, allowed_hosts=[])) as api:
        key = {"Authorization": f"Bearer {next(iter(KEYS))}", "Host": "rag.behind.an.ingress"}

        assert api.http.get("/v1/jobs", headers=key).status_code == 200
        assert api.http.post("/v1/backups", headers=key).status_code == 202
        assert api.http.post("/v1/backups", headers={**key, **FETCH}).status_code == 403


@pytest.mark.parametrize("path", ["/v1/jobs/", "/v1/backups/", "/docs/", "/console", "/health/"])
def test_no_answer_leads_to_where_the_host_header_says(api: Service, path: str) -> None:
    answer = api.http.get(path, headers={"Host": "localhost:1"})

    assert "location" not in answer.headers
    assert not answer.is_redirect


def test_where_a_job_is_does_not_hang_on_the_host_header(api: Service) -> None:
    answer = api.http.post("/v1/backups", headers={"Host": "localhost:1"})

    assert answer.headers["Location"] == answer.json()["status_url"] == f"/v1/jobs/{answer.json()['job_id']}"


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/v1/jobs", "/health", "/metrics", "/nowhere", "/openapi.json"]
)
def test_every_answer_keeps_other_pages_apart(api: Service, path: str) -> None:
    headers: httpx.Headers = api.http.get(path).headers

    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert len(headers.get_list("Content-Security-Policy")) == 1
