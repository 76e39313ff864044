"""Given an accepted document, when power is cut and takes what was not synced, then it is brought, whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.model import JobState, Stage
from rag.naming import chunks_key
from rag.redis.connection import connect
from rag.settings import Settings
from rag.system import append_log
from rag.text.places import unpack_places
from tasks.app import app
from tasks.lanes import lane_of
from tasks.stages.stage import deliver
from tasks.submit.submissions import Submissions
from tasks.upkeep import rebuild
from tests.deliveries import finished, job_of, step
from tests.integration.flows.stages import COLLECTION, InProcess, seen, submitted
from tests.unsynced import UnsyncedFolder

TEXT = "The lamp is green."
STAGES = 3


class Machine:
    """One on which the service runs. Its vector engine has a log of its own, and stays."""

    def __init__(self, tools: InProcess, disk: UnsyncedFolder) -> None:
        self.tools, self._disk = tools, disk

    @property
    def desk(self) -> Submissions:
        tools = self.tools
        return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)

    def lose_power(self, *, broker_forgets: bool) -> None:
        settings, vectors = self.tools.settings, self.tools.vectors
        del self.tools
        app.toolbox = None
        self._disk.lose_power()
        self.tools = app.toolbox = InProcess(settings)
        self.tools.__dict__["vectors"] = vectors
        if broker_forgets:
            with connect(settings) as client:
                client.flushall()
        rebuild.rebuild_records(self.tools.restoration)


@pytest.fixture
def machine(tools: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    settings: Settings = tools.settings
    vectors = tools.vectors
    made = Machine(tools, UnsyncedFolder(tmp_path / "blobs", tmp_path, monkeypatch))
    made.tools = app.toolbox = InProcess(settings)
    made.tools.__dict__["vectors"] = vectors
    tools.__dict__.clear()
    tools.__dict__.update(settings=settings, vectors=vectors)
    yield made
    app.toolbox = None


def brought(machine: Machine) -> tuple[list[str], str, int]:
    """What a search sees, the stored text, and the number of passages whose places are known."""
    document = machine.tools.documents.get(COLLECTION, "doc")
    assert document is not None
    text = machine.tools.blobs.get(document.text_key).decode()
    places = unpack_places(machine.tools.blobs.get(chunks_key(document.text_key)))
    return seen(machine.tools, "lamp"), text, len(places)


@pytest.mark.parametrize("broker_forgets", [False, True])
@pytest.mark.parametrize("stages", range(STAGES + 1))
def test_it_is_brought_whichever_stage_was_over(machine: Machine, stages: int, broker_forgets: bool) -> None:
    job_id = submitted(machine.desk, TEXT)
    for _ in range(stages):
        step(machine.tools, job_id)

    machine.lose_power(broker_forgets=broker_forgets)

    assert finished(machine.tools, job_id).state is JobState.SUCCEEDED
    assert brought(machine) == ([TEXT], TEXT, 1)
    machine.lose_power(broker_forgets=True)
    assert job_of(machine.tools, job_id).state is JobState.SUCCEEDED
    assert brought(machine) == ([TEXT], TEXT, 1)


@pytest.mark.parametrize("broker_forgets", [False, True])
def test_a_version_is_seen_until_the_next_one_is_durable(machine: Machine, broker_forgets: bool) -> None:
    finished(machine.tools, submitted(machine.desk, TEXT))
    job_id = submitted(machine.desk, "The lamp is violet.")
    for _ in range(STAGES):
        step(machine.tools, job_id)

    machine.lose_power(broker_forgets=broker_forgets)

    assert brought(machine) == (["The lamp is violet."], "The lamp is violet.", 1)


@pytest.mark.parametrize("broker_forgets", [False, True])
def test_a_deleted_document_stays_deleted(machine: Machine, broker_forgets: bool) -> None:
    finished(machine.tools, submitted(machine.desk, TEXT))
    machine.desk.delete_document(COLLECTION, "doc")

    machine.lose_power(broker_forgets=broker_forgets)

    assert machine.tools.documents.get(COLLECTION, "doc") is None
    assert seen(machine.tools, "lamp") == []


def test_jobs_that_end_in_one_delivery_are_durable_by_few_syncs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [submitted(machine.desk, f"Lamp {n}.", f"doc-{n}") for n in range(10)]
    for job_id in jobs:
        step(machine.tools, job_id)
        assert step(machine.tools, job_id).stage is Stage.INDEX
    syncs: list[int] = []
    monkeypatch.setattr(append_log, "_sync", syncs.append)

    deliver(machine.tools, lane_of(Stage.INDEX))

    assert len(syncs) == 2, "one of the engine, one of the blobs"
    machine.lose_power(broker_forgets=True)
    assert {job_of(machine.tools, job_id).state for job_id in jobs} == {JobState.SUCCEEDED}
    assert sorted(seen(machine.tools, "lamp")) == [f"Lamp {n}." for n in range(10)]


def test_a_submit_needs_one_sync(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(machine.tools, submitted(machine.desk, TEXT))
    syncs: list[int] = []
    monkeypatch.setattr(append_log, "_sync", syncs.append)

    job_id = submitted(machine.desk, "The lamp is violet.", "other")

    assert len(syncs) == 1
    machine.lose_power(broker_forgets=True)
    assert finished(machine.tools, job_id).state is JobState.SUCCEEDED
