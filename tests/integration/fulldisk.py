"""Run as a program in a home whose disk is full: what callers are told and what is left, as JSON.

``python -m tests.integration.fulldisk REDIS_URL HOME``, with HOME on a small disk or under a
limit on the size of files: what is called big is larger than that.
"""

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from rag.model import JobKind, NewJob, Stage
from rag.settings import Settings
from rag.system import disks
from tasks.stages.stage import Next, Outcome, StageRun
from tests.deliveries import perform, record_bells
from tests.integration.apiserver import Service, serving, settings_of
from workers.tools import Tools

BIG = 3 << 20
PAGE = 4096


def told(answer: httpx.Response) -> dict[str, Any]:
    return {
        "status": answer.status_code,
        "type": answer.headers.get("content-type"),
        "retry_after": answer.headers.get("retry-after"),
        "detail": answer.json().get("detail"),
    }


def sent(service: Service) -> dict[str, Any]:
    http = service.http
    return {
        "small": told(http.post("/v1/documents", json={"text": "A small document."})),
        "text": told(http.post("/v1/documents", json={"text": "word " * (BIG // 5)})),
        "file": told(http.post("/v1/documents", files={"file": ("big.txt", b"word " * (BIG // 5))})),
    }


def promised(service: Service, home: Path) -> dict[str, Any]:
    """A job that has no bytes of its own while nothing fits any more, and again when there is room."""
    job = {"url": "http://localhost/page.html"}
    filling = home / "filling"
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        for _ in range(BIG // 512):
            file.write(bytes(512))
    before = len(list(home.rglob("sources/*/*")))
    full = told(service.http.post("/v1/documents", json=job))
    os.truncate(filling, filling.stat().st_size - PAGE)
    page = told(service.http.post("/v1/documents", json={"text": "Its bytes fit, its entry does not."}))
    page["kept"] = len(list(home.rglob("sources/*/*"))) - before
    filling.unlink()
    room = told(service.http.post("/v1/documents", json=job))
    return {"no room": full, "room for bytes": page, "room": room}


def received_nowhere(service: Service, folder: Path) -> dict[str, Any]:
    """An upload whose temporary file has no room."""
    tempfile.tempdir = str(folder)
    try:
        return told(service.http.post("/v1/documents", files={"file": ("big.txt", b"word " * (BIG // 5))}))
    finally:
        tempfile.tempdir = None


def worked(settings: Settings) -> dict[str, Any]:
    """One attempt of a stage that leaves more than there is room for."""
    record_bells(pytest.MonkeyPatch())  # nobody listens here
    tools = Tools(settings)
    job_id = tools.jobs.accept(NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED, "c", {})).job.id

    def work(run: StageRun) -> Outcome:
        run.tools.blobs.put(f"work/{job_id}/big", bytes(BIG), durable=False)
        return Next(Stage.INDEX)

    word = perform(tools, Stage.EMBED, work, job_id)
    job = tools.jobs.get(job_id)
    assert job is not None
    return {"word": word, "state": job.state, "stage": job.stage, "error": job.error}


def main(valkey: str, home: Path) -> None:
    disks._RESERVED_PART = sys.maxsize  # nothing is refused before the disk itself does
    settings = settings_of(valkey, home, journal="documents")
    with serving(settings) as service:
        answers = sent(service)
        answers["spooled"] = received_nowhere(service, home)
        answers |= promised(service, home)
        jobs = service.http.get("/v1/jobs").json()["items"]
    files = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    story = {"answers": answers, "jobs": len(jobs), "stage": worked(settings), "files": files}
    sys.stdout.write(json.dumps(story))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
