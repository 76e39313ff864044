"""``aegis doctor`` on real stores: nothing runs, everything is well, and one thing after the other is not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.client.client import Client
from cli.commands import doctor
from cli.doctor.finding import Finding
from rag.redis.connection import connect_to
from rag.redis.heartbeats import Heartbeats, WorkerSign
from rag.settings import Settings
from tasks.lanes import LANES
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.brokers import valkey_with

SIGN = WorkerSign(
    lane="parse", worker="parse@here", pid=1, idle=0.0, busy=None, task=None, limit=900, silence=30
)


def findings(settings: Settings, url: str = "http://127.0.0.1:1") -> dict[str, Finding]:
    with Client(url) as client:
        return {finding.part: finding for finding in doctor.examine(settings, client)}


@pytest.fixture
def service(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as started:
        yield started


def test_a_stack_that_does_not_run_is_no_fault(tmp_path: Path) -> None:
    found = findings(Settings(redis_url=None, aegis_home=tmp_path))

    assert found["stack"].state == "note"
    assert found["stack"].remedy == "aegis up"
    assert found["broker"].state == "note"
    assert (found["backups"].state, found["backups"].remedy) == ("note", "aegis backup")
    assert found["times"].text == "lease 30 < hard limit 900 < visibility timeout 1020 < stale lease 1200 s"
    assert found["blob store"].state == "note"
    for well in ("settings", "times", "routes", "time limits"):
        assert found[well].state == "ok", found[well]


def test_a_look_makes_nothing_but_what_it_removes(valkey: str, tmp_path: Path) -> None:
    used, unused = tmp_path / "used", tmp_path / "unused"
    (used / "blobs").mkdir(parents=True)
    (used / "backups").mkdir()

    for home in (used, unused):
        findings(Settings(redis_url=None, aegis_home=home))
        findings(settings_of(valkey, home))

    assert not unused.exists()
    assert not [path for path in used.rglob("*") if path.is_file()]


def test_a_broker_that_loses_jobs_is_a_fault_with_its_remedy(tmp_path: Path) -> None:
    with valkey_with("--appendonly", "no", "--maxmemory", "100mb") as address:
        found = findings(settings_of(address, tmp_path))

    assert found["broker"].state == "bad"
    assert "appendonly is off" in found["broker"].text
    assert "set it to yes" in found["broker"].remedy
    assert "of 100 MB used; new jobs get 429 from 80 MB on" in found["memory"].text


def test_a_queue_without_a_worker_is_a_fault_while_the_service_runs(service: Service) -> None:
    with connect_to(service.parts.settings.records_url) as client:
        for lane in LANES[1:]:
            Heartbeats(client).work(replace(SIGN, lane=lane.name, worker=f"{lane.name}@here"))
    service.ask()

    found = findings(service.parts.settings, service.url)

    assert found["queue parse"].state == "bad"
    assert found["queue parse"].text == "0 workers, 0 waiting"
    assert found["queue embed-query"].state == "ok"
    assert found["queue embed-query"].text == "1 worker, 1 waiting"
    assert found["stack"].state == "bad"
    assert "parse" in found["stack"].text
    assert found["vectors"].state == "bad"
    assert found["records"].text == "intact: 1 queued"


def test_a_worker_that_hangs_is_a_fault(service: Service) -> None:
    with connect_to(service.parts.settings.records_url) as client:
        Heartbeats(client).work(replace(SIGN, idle=100.0))

    found = findings(service.parts.settings, service.url)

    assert found["queue parse"].state == "bad"
    assert "parse@here: it has taken nothing from its queue" in found["queue parse"].text


def test_a_blob_store_that_takes_nothing_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "doctor").write_text("a file where a folder should be")

    found = findings(Settings(redis_url=None, aegis_home=tmp_path))

    assert found["blob store"].state == "bad"
    assert "BLOB_URL" in found["blob store"].remedy
