"""With real workers: while a server hangs, other documents are read."""

import socket
from pathlib import Path

import pytest

from rag.model import JobState, Stage
from rag.settings import Settings
from tasks.publishing.bells import announce
from tasks.submit.submissions import Ingestion, Link, Submissions, Text
from tests.integration.conftest import send_to
from tests.integration.workerprocess import working
from tests.system.running import until
from workers.tools import Tools

PATIENCE = 120.0  # seconds, on a machine that is busy with other tests


def test_another_document_is_read_while_a_server_hangs(
    valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_to(monkeypatch, valkey)
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    desk = Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, announce)
    private = {"FETCH_PRIVATE_ADDRESSES": "true", "FETCH_TIMEOUT": "110"}

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # it takes connections and never answers
        working("fetch", valkey, tmp_path, **private),
        working("parse", valkey, tmp_path),
    ):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/?signature=s3cret"
        hanging = desk.ingest(Ingestion(Link(url), "docs", "hanging")).job.id
        silent.settimeout(PATIENCE)
        connection, _ = silent.accept()
        other = desk.ingest(Ingestion(Text("The lamp is green."), "docs", "other")).job.id

        until(lambda: stage_of(tools, other) is Stage.EMBED, PATIENCE)

        assert stage_of(tools, hanging) is Stage.FETCH
        desk.cancel(hanging)
        connection.settimeout(PATIENCE)
        while connection.recv(65_536):
            pass  # its end is that of the process that fetched
        connection.close()

    job = tools.jobs.get(hanging)
    assert job is not None
    assert job.state is JobState.CANCELLED
    assert "s3cret" not in (tmp_path / "fetch.log").read_text()


def stage_of(tools: Tools, job_id: str) -> Stage:
    job = tools.jobs.get(job_id)
    assert job is not None
    return job.stage
