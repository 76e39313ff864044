"""Key, role and rate limit come before the body; who calls is not what the caller says."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from api.http.connections import Bounds
from tests.integration.apiprocess import received
from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import until

KEYS = {
    "reader-reader-reader": {"name": "reader", "role": "read", "collections": ["mine"]},
    "admin-admin-admin-admin": {"name": "admin", "role": "admin", "collections": ["*"]},
}
ADMIN = {"Authorization": "Bearer admin-admin-admin-admin"}
READER = {"Authorization": "Bearer reader-reader-reader"}
JSON = {"Content-Type": "application/json"}


def posts(service: Service) -> Iterator[str]:
    """All calls with a body."""
    for path, operations in service.http.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if method in ("post", "put") and "requestBody" in operation:
                yield path.replace("{backup}", "latest").replace("{name}", "mine")


def half_sent(service: Service, path: str, headers: dict[str, str]) -> int:
    """The status of a call whose body never comes."""
    url = httpx.URL(service.url)
    with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**JSON, **headers}.items())
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n{lines}\r\n".encode()
        )
        return int(received(connection, silence=10).split(b" ", 2)[1])


def test_no_body_is_waited_for_before_the_key_is_seen(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as service:
        paths = list(posts(service))

        assert len(paths) >= 6
        for path in paths:
            assert half_sent(service, path, {}) == 401
            assert half_sent(service, path, {"Authorization": "Bearer wrong"}) == 401
            if path != "/v1/queries":
                assert half_sent(service, path, READER) == 403


def test_garbage_counts_like_any_other_request(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path, rate_limit_requests_per_minute=9)) as service:
        garbage = [service.http.post("/v1/queries", content=b"{", headers=JSON) for _ in range(12)]
        half = half_sent(service, "/v1/documents", {})

    assert [answer.status_code for answer in garbage] == [422] * 9 + [429] * 3
    assert half == 429


@pytest.mark.parametrize(("proxies", "allowed"), [([], 3), (["127.0.0.0/8"], 6)])
def test_an_address_is_what_the_connection_or_a_trusted_proxy_says(valkey, tmp_path, proxies, allowed):
    settings = settings_of(valkey, tmp_path, rate_limit_reads_per_minute=3, trusted_proxies=proxies)
    with serving(settings) as service:
        codes = [
            service.http.get("/v1/jobs", headers={"X-Forwarded-For": f"198.51.100.{n}, 203.0.113.{n // 3}"})
            for n in range(6)
        ]

    assert [answer.status_code for answer in codes].count(200) == allowed


def test_bodies_need_their_type(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path)) as service:
        for path in posts(service):
            for sent in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
                if path in ("/v1/documents", "/v1/documents:batch") and sent.startswith("multipart"):
                    continue
                answer = service.http.post(path, content=b'{"question": "x"}', headers={"Content-Type": sent})
                assert answer.status_code == 415, (path, sent)
                assert answer.headers["content-type"] == "application/problem+json"


def test_a_reader_who_does_not_read_is_left(valkey, tmp_path):
    bounds = Bounds(stalled_seconds=2.0)
    with serving(settings_of(valkey, tmp_path), bounds) as service:
        service.publish("long", "x" * 20_000_000)
        url = httpx.URL(service.url)
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((url.host, url.port or 80))
            connection.sendall(b"GET /v1/documents/long/text HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            time.sleep(8)
            came = received(connection, silence=10)

        assert came.startswith(b"HTTP/1.1 200 ")
        assert len(came) < 20_000_000
        assert len(service.http.get("/v1/documents/long/text").text) == 20_000_000


def test_who_only_waits_leaves_room_for_others(valkey, tmp_path):
    settings = settings_of(valkey, tmp_path, api_keys=KEYS, max_connections=40)
    with serving(settings) as service, ExitStack() as stack:
        service.http.put("/v1/collections/mine", headers=ADMIN)
        question = {"question": "Why?", "collection": "mine"}
        job = service.http.post("/v1/queries", json=question, headers=READER).json()["job_id"]
        events = f"/v1/jobs/{job}/events"
        url = httpx.URL(service.url)
        streams = [
            stack.enter_context(socket.create_connection((url.host, url.port or 80), timeout=30))
            for _ in range(12)
        ]
        for stream in streams:
            lines = f"Host: 127.0.0.1\r\nAuthorization: {READER['Authorization']}\r\n\r\n"
            stream.sendall(f"GET {events} HTTP/1.1\r\n{lines}".encode())
        answers = [received(stream) for stream in streams]

        assert sum(answer.startswith(b"HTTP/1.1 200 ") for answer in answers) == 10
        assert sum(answer.startswith(b"HTTP/1.1 429 ") for answer in answers) == 2
        refused = service.http.get(f"/v1/jobs/{job}?wait=5", headers=READER)
        at_once = service.http.post("/v1/queries", json=question, headers={**READER, "Prefer": "wait=60"})
        other = service.http.get(f"/v1/jobs/{job}?wait=1", headers=ADMIN)
        assert (refused.status_code, at_once.status_code, other.status_code) == (429, 202, 200)
        assert refused.headers["retry-after"]

        for stream in streams:
            stream.close()
        until(lambda: service.parts.waits.has_room("key:reader"), seconds=30)
