"""A disk is full for a while, that of the blob store or that of everything: submits are refused, and what was
accepted goes on by itself when there is room again."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.chaos.attack import Attack
from tests.chaos.load import Load
from tests.chaos.requirements import small_disk
from tests.chaos.stack import BACK_SECONDS, Target, running, target_in
from tests.system.running import until

pytestmark = pytest.mark.timeout(900)

DISK_MB, WHOLE_DISK_MB = 192, 320
JOBS = 24
FULL_SECONDS = 20.0
"""Longer than it takes every part to notice."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disk") / "blobs", DISK_MB) as folder:
        yield folder


@pytest.fixture(scope="module")
def cramped(disk: Path) -> Iterator[Target]:
    """A stack whose blobs are on a small disk of their own."""
    with running(BLOB_URL=disk.as_uri()) as target:
        yield target


def test_a_full_disk(cramped: Target, disk: Path, attack: Attack, run: int) -> None:
    """Nothing is given up meanwhile: what waits for room waits for whoever makes it."""

    def fill(target: Target, load: Load) -> None:
        refused = load.ledger.answers["503"]
        filler = _filled(disk)
        load.one_more()
        until(lambda: load.ledger.answers["503"] > refused)
        load.goes_on_for(load.frozen_seconds)
        filler.unlink()

    attack(cramped, fill, seed=run)


@pytest.fixture
def confined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A stack of which everything is on a small disk: broker, vectors, blobs, logs and what it prints."""
    with small_disk(tmp_path_factory.mktemp("whole") / "disk", WHOLE_DISK_MB) as folder:
        target = target_in(folder, LEASE_SECONDS="6")
        target.start()
        try:
            yield target
        finally:
            target.stop()
            until(lambda: target.processes() == [])


def test_a_full_disk_under_the_whole_stack(confined: Target) -> None:
    confined.until_ready()
    with httpx.Client(base_url=confined.url, timeout=30) as client:
        jobs = [_accepted(client, number) for number in range(JOBS)]

        filler = _filled(confined.home)
        until(lambda: "disk" in _missing(client), BACK_SECONDS)
        until(lambda: "broker" in _missing(client) or _all_ended(client, jobs), BACK_SECONDS)
        since = time.monotonic()
        while time.monotonic() < since + FULL_SECONDS:
            refused = client.post("/v1/documents", json={"text": "There is no room for this."})
            assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE, refused.text
            assert int(refused.headers["Retry-After"]) > 0
            assert not confined.ended(), confined.printed
        filler.unlink()

        until(lambda: _all_ended(client, jobs), BACK_SECONDS)
        assert {_state(client, job) for job in jobs} == {"succeeded"}
        confined.until_whole()
        assert _state(client, _accepted(client, JOBS), wait=60) == "succeeded"
    assert confined.stop() == 0


def _accepted(client: httpx.Client, number: int) -> str:
    body = {"text": f"Turbine {number} is cooled by air. " * 100, "document_id": f"turbine-{number}"}
    answer = client.post("/v1/documents", json=body)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return str(answer.json()["job_id"])


def _state(client: httpx.Client, job_id: str, wait: int = 0) -> str:
    """What the job's page says; why not, where it says nothing at the moment."""
    page = client.get(f"/v1/jobs/{job_id}", params={"wait": wait}).json()
    return str(page.get("state") or page["detail"])


def _all_ended(client: httpx.Client, jobs: list[str]) -> bool:
    return all(_state(client, job) in ("succeeded", "failed", "dead") for job in jobs)


def _missing(client: httpx.Client) -> list[str]:
    components = client.get("/health/ready").json()["components"]
    return [name for name, component in components.items() if not component["ready"]]


def _filled(folder: Path) -> Path:
    """A file that leaves no room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(folder).free < 4096
    return filler
