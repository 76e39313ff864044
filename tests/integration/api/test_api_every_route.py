"""What holds for every route there is: HEAD, OPTIONS, unknown parameters, and cursors that are none."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import until

KEY = "a-key-of-sixteen-or-more"
KEYS = {KEY: {"name": "ci", "role": "admin", "collections": ["*"]}}
PAGES = ["/", "/docs", "/openapi.json", "/console/console.js"]


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


def operations(api: Service, method: str) -> list[tuple[str, dict[str, Any]]]:
    """Paths that name something, with their descriptions; what they name may not be there."""
    described: dict[str, dict[str, Any]] = api.http.get("/openapi.json").json()["paths"]
    return [
        (path.replace("{", "").replace("}", ""), found[method])
        for path, found in described.items()
        if method in found
    ]


# --- HEAD and OPTIONS


def test_head_answers_as_get_does_and_without_a_body(api: Service) -> None:
    paths = [*(path for path, _ in operations(api, "get")), *PAGES]
    assert len(paths) > 15
    for path in paths:
        got, head = api.http.get(path), api.http.head(path)

        assert (head.status_code, head.content) == (got.status_code, b""), path
        same = ["content-type", "cache-control", "etag", *(["content-length"] if path != "/metrics" else [])]
        for name in same:
            assert head.headers.get(name) == got.headers.get(name), (path, name)


def test_head_of_what_is_there(api: Service) -> None:
    job_id = api.ask()
    api.publish("guides/vpn")
    for path in (f"/v1/jobs/{job_id}", "/v1/documents/guides/vpn", "/v1/documents/guides/vpn/text"):
        got, head = api.http.get(path), api.http.head(path)

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize("path", ["/v1/jobs/{}/events", "/v1/events?job={}"])
def test_head_of_an_event_stream_ends_at_once_and_keeps_no_place(api: Service, path: str) -> None:
    job_id = api.ask()
    for _ in range(3):
        answer = api.http.head(path.format(job_id), timeout=5)

        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
    until(lambda: not +api.parts.waits._taken)


def test_a_connection_is_good_for_more_after_a_head(api: Service) -> None:
    request = f"HEAD /v1/jobs HTTP/1.1\r\nHost: {api.http.base_url.netloc.decode()}\r\n\r\n".encode()
    with socket.create_connection((api.http.base_url.host, api.http.base_url.port or 0), timeout=10) as line:
        for _ in range(2):
            line.sendall(request)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += line.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_head_asks_for_a_key_where_get_does(valkey: str, tmp_path: Path) -> None:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as api:
        for path, _ in operations(api, "get"):
            assert api.http.head(path).status_code == (401 if path.startswith("/v1/") else 200) or (
                path == "/health/ready"
            )


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/jobs", "GET, HEAD, OPTIONS"),
        ("/v1/jobs/a", "DELETE, GET, HEAD, OPTIONS"),
        ("/v1/queries", "OPTIONS, POST"),
        ("/v1/documents", "GET, HEAD, OPTIONS, POST"),
        ("/v1/collections/a", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/console/console.js", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_and_405_name_the_methods_of_a_path(api: Service, path: str, methods: str) -> None:
    asked, refused = api.http.options(path), api.http.request("TRACE", path)

    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, methods, b"")
    assert (refused.status_code, refused.headers["allow"]) == (405, methods)
    assert refused.json()["type"] == "urn:aegis:problem:method-not-allowed"


def test_options_of_a_path_that_is_none(api: Service) -> None:
    assert api.http.options("/v1/nothing").status_code == 404


def test_every_route_answers_options(api: Service) -> None:
    for method in ("get", "post", "put", "delete"):
        for path, _ in operations(api, method):
            answer = api.http.options(path)
            assert answer.status_code == 204
            assert method.upper() in answer.headers["allow"]


# --- parameters and cursors


def test_a_parameter_that_a_route_does_not_know_is_refused(api: Service) -> None:
    tried = 0
    for method in ("get", "post", "put", "delete"):
        for path, _ in operations(api, method):
            answer = api.http.request(method, path, params={"nonsense": "1", "state": "queued"}, json={})

            tried += 1
            assert answer.status_code == 422, (method, path, answer.text)
            problem = answer.json()
            assert problem["type"] == "urn:aegis:problem:invalid-request"
            assert {"in": "query", "field": "nonsense"}.items() <= problem["errors"][0].items()
    assert tried > 30
    assert api.http.get("/v1/jobs").json()["items"] == []


def test_what_a_route_takes_is_named(api: Service) -> None:
    answer = api.http.get("/v1/jobs", params={"statee": "queued"})

    assert "state" in answer.json()["detail"]
    assert "document_id" in answer.json()["detail"]


def test_parameters_that_are_described_are_taken(api: Service) -> None:
    for path, operation in operations(api, "get"):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                answer = api.http.get(path, params={parameter["name"]: ""})
                assert "is no parameter" not in answer.text


def test_who_has_no_key_is_told_nothing_of_parameters(valkey: str, tmp_path: Path) -> None:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as api:
        assert api.http.get("/v1/jobs", params={"nonsense": "1"}).status_code == 401


@pytest.mark.parametrize("cursor", ["garbage", "0190a0a0-0000-7000-8000-000000000000", "x" * 4000, "ü"])
def test_a_cursor_that_no_page_gave_out_is_refused(api: Service, cursor: str) -> None:
    api.http.put("/v1/collections/aegis_docs_v2")
    paged = [
        path
        for path, operation in operations(api, "get")
        if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", []))
    ]
    assert len(paged) >= 7
    for path in paged:
        answer = api.http.get(path, params={"cursor": cursor})

        assert (answer.status_code, answer.json()["type"]) == (400, "urn:aegis:problem:invalid-cursor"), path


def test_a_cursor_of_another_list_is_refused_by_jobs(api: Service) -> None:
    for name in ("a/b", "b/c"):
        api.publish(name)
    cursor = api.http.get("/v1/documents", params={"limit": 1}).json()["next"]

    assert api.http.get("/v1/jobs", params={"cursor": cursor}).status_code == 400
