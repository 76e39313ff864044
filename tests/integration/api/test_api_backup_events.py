"""A job about backups is followed by its events, as the console and the command line do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from rich.console import Console

from cli.client.client import Client
from cli.commands.follow import follow
from rag.model import JobState, Json, Progress, Stage
from tests.integration.apiserver import Service, serving, settings_of

RESULT: Json = {"backup": "b1"}


@pytest.fixture
def api(valkey: str, tmp_path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


def back_up(api: Service, job_id: str) -> None:
    """A worker's steps, the bytes of one stage told twice."""
    jobs = api.parts.jobs
    jobs.advance(api.begin(job_id), Stage.UPLOAD, seconds=0)
    lease = api.begin(job_id)
    jobs.progress(lease, Progress(250, 1000))
    jobs.progress(lease, Progress(750, 1000))
    jobs.advance(lease, Stage.SEAL, seconds=0)
    jobs.finish(api.begin(job_id), JobState.SUCCEEDED, result=RESULT)


def test_stages_and_bytes_come_as_events(api):
    job_id = api.http.post("/v1/backups").json()["job_id"]
    back_up(api, job_id)

    with Client(api.url) as client:
        told = list(client.events(job_id))

    assert [data["stage"] for kind, data in told if kind == "state" and data["state"] == "running"] == [
        "snapshot", "upload", "seal"
    ]  # fmt: skip
    assert [data for kind, data in told if kind == "progress"] == [
        {"done": 250, "total": 1000}, {"done": 750, "total": 1000}
    ]  # fmt: skip
    assert told[-1] == ("result", RESULT)


def test_the_command_line_follows_it_at_a_few_calls(api):
    job_id = api.http.post("/v1/backups").json()["job_id"]
    printed = StringIO()

    with Client(api.url) as client, ThreadPoolExecutor() as pool:
        following = pool.submit(follow, client, Console(file=printed, force_terminal=True), job_id)
        back_up(api, job_id)
        result = following.result(30)

    assert result == RESULT
    assert "0.8/1.0 kB" in printed.getvalue()
    calls = api.http.get("/metrics").text
    for handler, most in (("/v1/jobs/{job_id}", 2), ("/v1/jobs/{job_id}/events", 1)):
        name = f'http_requests_total{{handler="{handler}",method="GET",status="200"}} '
        assert float(calls.partition(name)[2].split()[0]) <= most
