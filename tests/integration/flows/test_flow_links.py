"""Documents by URL: fetched in a stage of their own, which ends with the job; no secret of a URL is told."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rag.model import JobState, Stage
from rag.settings import Settings
from tasks.submit.submissions import Ingestion, Link, Submissions
from tests.deliveries import finished, step
from tests.integration.flows.stages import COLLECTION, InProcess, seen

PATIENCE = 60.0


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/hanging"):
            self.server.asked.set()  # type: ignore[attr-defined]
            time.sleep(PATIENCE)
            return
        missing = self.path.startswith("/missing")
        body = b"" if missing else b"The buoy is red."
        self.send_response(404 if missing else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def pages() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    server.asked = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _private(tools: InProcess) -> None:
    tools._settings = Settings(
        redis_url=tools.settings.redis_url,
        aegis_home=tools.settings.aegis_home,
        fetch_private_addresses=True,
        fetch_timeout=PATIENCE,
    )


def linked(desk: Submissions, pages: ThreadingHTTPServer, path: str) -> str:
    url = f"http://127.0.0.1:{pages.server_port}/{path}?signature=s3cret#s3cret"
    return desk.ingest(Ingestion(Link(url), COLLECTION, "doc")).job.id


def test_a_document_by_url_is_fetched_then_read(
    tools: InProcess, desk: Submissions, pages: ThreadingHTTPServer
) -> None:
    job_id = linked(desk, pages, "")
    assert step(tools, job_id).stage is Stage.PARSE

    job = finished(tools, job_id)

    assert job.state is JobState.SUCCEEDED
    assert job.retries == 0
    assert seen(tools, "buoy") == ["The buoy is red."]
    document = tools.documents.get(COLLECTION, "doc")
    assert document is not None
    assert document.title == f"http://127.0.0.1:{pages.server_port}/"
    assert tools.blobs.get(document.source_key) == b"The buoy is red."
    assert "s3cret" not in f"{document} {job.result}"


def test_what_was_fetched_and_is_gone_is_fetched_anew(
    tools: InProcess, desk: Submissions, pages: ThreadingHTTPServer
) -> None:
    job_id = linked(desk, pages, "")
    step(tools, job_id)
    for key in list(tools.blobs.keys("sources")):
        tools.blobs.delete(key)

    assert step(tools, job_id).stage is Stage.FETCH
    assert finished(tools, job_id).state is JobState.SUCCEEDED


def test_the_same_document_at_another_signature_is_unchanged(
    tools: InProcess, desk: Submissions, pages: ThreadingHTTPServer
) -> None:
    finished(tools, linked(desk, pages, ""))
    url = f"http://127.0.0.1:{pages.server_port}/?signature=another"

    job = finished(tools, desk.ingest(Ingestion(Link(url), COLLECTION, "doc")).job.id)

    assert job.result is not None
    assert job.result["unchanged"] is True


def test_an_error_does_not_tell_the_signature(
    tools: InProcess, desk: Submissions, pages: ThreadingHTTPServer
) -> None:
    job = step(tools, linked(desk, pages, "missing"))

    assert job.state is JobState.FAILED
    assert "/missing answers 404" in json.dumps(job.error)
    assert "s3cret" not in json.dumps(job.error)


def test_a_cancel_ends_the_fetch(tools: InProcess, desk: Submissions, pages: ThreadingHTTPServer) -> None:
    job_id = linked(desk, pages, "hanging")
    began, ended = time.monotonic(), []
    running = threading.Thread(target=lambda: ended.append(step(tools, job_id)))
    running.start()
    assert pages.asked.wait(PATIENCE / 2)  # type: ignore[attr-defined]

    desk.cancel(job_id)
    running.join(PATIENCE)

    assert [job.state for job in ended] == [JobState.CANCELLED]
    assert time.monotonic() - began < PATIENCE / 2
    assert tools.jobs.leftovers(limit=10) == []
