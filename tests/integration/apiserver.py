"""A real API server over real stores, with the test in the worker's place."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx
import uvicorn

from api.calls.parts import Parts, build
from api.http.connections import Bounds
from api.main import create_app
from api.server import options
from rag.model import Document, JobState, Json, Lease
from rag.settings import Settings
from tasks.submit.batches import BatchSubmissions
from tasks.submit.submissions import Submissions
from tests.deliveries import begin
from tests.system.running import until


@dataclass(frozen=True)
class Service:
    """``http`` calls it; ``parts`` are its stores. No worker runs: the test does their work."""

    http: httpx.Client
    parts: Parts

    @property
    def url(self) -> str:
        return str(self.http.base_url)

    def ask(self, question: str = "Why?", **fields: Any) -> str:
        """The id of a new query's job, in a collection that is there."""
        self.http.put("/v1/collections/aegis_docs_v2").raise_for_status()
        answer = self.http.post("/v1/queries", json={"question": question, **fields})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def begin(self, job_id: str) -> Lease:
        """Wait until the job is due: its entry in the journal may not be written yet."""
        job = self.parts.jobs.get(job_id)
        assert job is not None
        leases: list[Lease | None] = []
        until(lambda: leases.append(begin(self.parts.jobs, job_id, job.stage)) or leases[-1] is not None)
        assert leases[-1] is not None
        return leases[-1]

    def finish(self, job_id: str, result: Json | None = None) -> None:
        assert self.parts.jobs.finish(
            self.begin(job_id), JobState.SUCCEEDED, result=result or {"answer": "So."}
        )

    def publish(self, document_id: str, text: str = "Text", collection: str = "aegis_docs_v2") -> None:
        """Make a document visible, as an ingestion does at its end."""
        made, _ = self.parts.documents.put_collection(collection, "all-MiniLM-L6-v2", 384)
        key = f"texts/{uuid4()}"
        self.parts.blobs.put(key, text.encode())
        assert self.parts.documents.publish(
            Document(
                document_id=document_id,
                collection=collection,
                generation=made.generation,
                version=self.parts.documents.next_version(collection, document_id),
                fingerprint="f",
                title="Title",
                media_type="text/plain",
                source_key=key,
                text_key=key,
                chunks=2,
                tokens=9,
                created_at=1_700_000_000.0,
                updated_at=1_700_000_000.0,
                metadata={"lang": "en"},
            )
        )


@contextmanager
def serving(
    settings: Settings, bounds: Bounds | None = None, fresh_seconds: float = 0.0
) -> Iterator[Service]:
    """A server on a free port of this machine, until the block ends. ``bounds`` None: as in production.

    Its figures are asked for anew with each request, unless ``fresh_seconds`` says for how long they will do.
    """
    parts = silent_parts(settings)
    app = create_app(settings, parts)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, timeout_graceful_shutdown=1, **{**options(settings, bounds), "log_level": "warning"}
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        fresh = patch("api.routes.coalescing.FRESH_SECONDS", fresh_seconds)
        with fresh, httpx.Client(base_url=url, timeout=30) as http:
            yield Service(http, parts)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def silent_parts(settings: Settings) -> Parts:
    """The API's parts; what they record is announced to no worker."""
    parts = build(settings)
    return replace(
        parts,
        submissions=Submissions(settings, parts.jobs, parts.documents, parts.blobs, publish=lambda _: None),
        batch_submissions=BatchSubmissions(
            settings, parts.jobs, parts.batches, parts.documents, parts.blobs, publish=lambda _: None
        ),
    )


def settings_of(valkey: str, home: Any, **fields: Any) -> Settings:
    """Settings of a single API process on this broker."""
    return Settings.model_validate(
        {
            "redis_url": valkey,
            "aegis_home": home,
            "api_host": "127.0.0.1",
            "allowed_hosts": ["testserver"],  # what Starlette's client for tests writes
            "api_workers": 1,
            "rate_limit_requests_per_minute": 0,
            "wrong_keys_per_minute": 0,
            **fields,
        }
    )
