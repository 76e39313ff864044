"""A caller with many requests at once leaves threads to everybody else."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from unittest.mock import patch

import httpx
import pytest

from rag.jobs.durable import DurableJobStore
from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import until

THREADS = 8
GREEDY, OTHER = "greedy-key-of-16-characters", "other-key-of-16-characters"
KEYS = {key: {"name": key[:5], "role": "write", "collections": [key[:5]]} for key in (GREEDY, OTHER)}


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    settings = settings_of(valkey, tmp_path, max_concurrent_requests=THREADS, api_keys=KEYS)
    with serving(settings) as service:
        yield service


@pytest.fixture
def let_go() -> Iterator[Event]:
    """Until it is set, a greedy caller's look into the records takes no end."""
    event = Event()
    page, get, visible = DurableJobStore.page, DurableJobStore.get, DurableJobStore.visible

    def slow_page(self, *args, collections, **kwargs):
        assert collections != ("greed",) or event.wait(60)
        return page(self, *args, collections=collections, **kwargs)

    def slow_get(self, job_id, *, collections=None, **kwargs):
        assert collections != ("greed",) or event.wait(60)
        return get(self, job_id, collections=collections, **kwargs)

    def slow_visible(self, job_ids, *, collections=None, **kwargs):
        assert collections != ("greed",) or event.wait(60)
        return visible(self, job_ids, collections=collections, **kwargs)

    looks = {"page": slow_page, "get": slow_get, "visible": slow_visible}
    with patch.multiple(DurableJobStore, **looks):
        try:
            yield event
        finally:
            event.set()


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/none", "/v1/jobs/none/events", "/v1/events?job=none"])
def test_another_is_answered_meanwhile(api, let_go, path):
    def look(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.get(f"{api.url}{path}", headers=headers, timeout=20).status_code

    expected = 200 if path == "/v1/jobs" else 404
    with ThreadPoolExecutor(20) as pool:
        greedy = [pool.submit(look, GREEDY) for _ in range(20)]
        time.sleep(0.5)

        assert look(OTHER) == expected
        assert not any(waiting.done() for waiting in greedy)
        let_go.set()
        assert [waiting.result() for waiting in greedy] == [expected] * 20


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wait_ends_with_its_client(valkey, tmp_path, method):
    with serving(settings_of(valkey, tmp_path, max_connections=24)) as api:
        job_id = api.ask()
        path = f"/v1/jobs/{job_id}?wait=60" if method == "GET" else "/v1/queries"
        body = b"" if method == "GET" else b'{"question": "Why?", "collection": "aegis_docs_v2"}'
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nPrefer: wait=60\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        address = (api.http.base_url.host, api.http.base_url.port)
        places = api.parts.waits.most // 2
        with ExitStack() as waiting:
            for _ in range(places + 2):
                waiting.enter_context(socket.create_connection(address)).sendall(head.encode() + body)
            until(lambda: not api.parts.waits.has_room("address:127.0.0.1"))
            assert api.http.get(f"/v1/jobs/{job_id}?wait=0.01").status_code == 429

        until(lambda: api.parts.waits.has_room("address:127.0.0.1"), 5)
        assert api.http.get(f"/v1/jobs/{job_id}?wait=0.01").status_code == 200
