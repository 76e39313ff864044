"""Every route of the description with every kind of wrong key: refused alike, before anything is read."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.apiserver import Service, serving, settings_of

READER, WRITER, ADMIN = (
    "reader-key-of-16-characters",
    "writer-key-of-16-characters",
    "admin-key-of-16-characters",
)
KEYS = {
    READER: {"name": "reader", "role": "read", "collections": ["mine"]},
    WRITER: {"name": "writer", "role": "write", "collections": ["mine"]},
    ADMIN: {"name": "admin", "role": "admin", "collections": ["*"]},
}
OPEN = ("/health", "/health/live", "/health/ready", "/metrics")
WRONG = {
    "none": {},
    "empty": {"Authorization": ""},
    "no key behind the scheme": {"Authorization": "Bearer"},
    "white space": {"Authorization": "Bearer \t\xa0".encode("latin-1")},
    "unknown": {"Authorization": "Bearer not-a-key-of-this-service"},
    "the beginning of one": {"Authorization": f"Bearer {ADMIN[:-1]}"},
    "more than one": {"Authorization": f"Bearer {ADMIN}{ADMIN}"},
    "other letters": {"Authorization": f"Bearer {ADMIN.upper()}"},
    "another scheme": {"Authorization": f"Basic {ADMIN}"},
    "no scheme": {"Authorization": ADMIN},
    "another header": {"X-API-Key": ADMIN},
    "a cookie": {"Cookie": f"key={ADMIN}"},
    "a long one": {"Authorization": f"Bearer {'k' * 6000}"},
    "not of ASCII": {"Authorization": "Bearer k\u00e9y".encode("latin-1")},
    "a token that nobody signed": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."},
}


@pytest.fixture(scope="module")
def service(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(settings_of(valkey_server, tmp_path_factory.mktemp("home"), api_keys=KEYS)) as running:
        yield running


@pytest.fixture(scope="module")
def routes(service: Service) -> list[tuple[str, str]]:
    """Method and path of everything that is described and asks for a key, with a name in each gap."""
    paths: dict[str, dict[str, Any]] = service.http.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, item in paths.items()
        if path not in OPEN
        for method in item
        if method in ("get", "put", "post", "delete", "patch")
    ]


@pytest.mark.parametrize("kind", WRONG)
def test_no_route_answers_a_wrong_key(service, routes, kind):
    assert len(routes) > 20
    for method, path in routes:
        answer = service.http.request(method, path, headers=WRONG[kind])

        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), path
        assert answer.headers["www-authenticate"].startswith("Bearer"), path
        assert ADMIN not in answer.text


def test_garbage_without_a_key_is_refused_for_the_key(service, routes):
    for method, path in routes:
        answer = service.http.request(
            method, path, content=b"{" * 1_000, headers={"Content-Type": "application/json"}
        )

        assert answer.status_code == 401, f"{method} {path}"


def test_a_reader_changes_nothing(service, routes):
    allowed = {("POST", "/v1/queries")}
    own_jobs = ("/v1/jobs/job_id", "/v1/jobs/job_id/retry")  # a reader may stop its own questions
    for method, path in routes:
        if method == "GET" or (method, path) in allowed or path in own_jobs:
            continue
        answer = service.http.request(method, path, headers={"Authorization": f"Bearer {READER}"})

        assert answer.status_code in (403, 404), f"{method} {path}: {answer.status_code}"


@pytest.mark.parametrize("key", [READER, WRITER])
def test_another_collection_is_out_of_reach_whether_it_is_there_or_not(service, routes, key):
    service.http.put("/v1/collections/theirs", headers={"Authorization": f"Bearer {ADMIN}"})
    headers = {"Authorization": f"Bearer {key}"}
    for path in (
        "/v1/documents?collection={}",
        "/v1/documents/a?collection={}",
        "/v1/collections/{}",
        "/v1/jobs?collection={}",
    ):
        there, missing = (
            service.http.get(path.format(name), headers=headers) for name in ("theirs", "nobodys")
        )

        assert there.status_code == missing.status_code == 403, path
        assert there.text.replace("theirs", "nobodys") == missing.text
