"""A question nobody waits for any more: it never reaches the model, or the model is hung up on."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import monotonic, time

import numpy as np
import pytest
from uuid_utils.compat import uuid7

from rag.model import Embedding, Hit, Job, JobKind, JobState, NewJob, Passage, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.stages import artefacts
from tests.deliveries import begin, record_bells, work_job
from tests.integration.modelserver import Script, chunk, scripted, stalling
from workers.tools import Tools

TEXT = "The Eiffel Tower was completed in 1889."
FIRST_WORDS = f"HTTP/1.0 200 OK\r\n\r\n{chunk('It was ')}{chunk('completed ')}".encode()


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted() as made:
        yield made


@pytest.fixture
def tools(valkey: str, tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch) -> Tools:
    record_bells(monkeypatch)
    chosen = {"generator": "openai", "generator_url": script.url, "generator_model": "tiny"}
    built = Tools(Settings.model_validate({"redis_url": valkey, "aegis_home": tmp_path, **chosen}))
    app.import_tasks()
    app.toolbox = built
    built.generator.warm()
    return built


def ready_to_be_answered(tools: Tools, deadline: float | None = None) -> str:
    """The id of a question whose passages are found and ranked."""
    inputs = {"question": "When?", "top_k": 3, "top_n": 1, "where": {}, "generate": True, "stream": True}
    job_id = str(uuid7())
    tools.jobs.accept(NewJob(job_id, JobKind.QUERY, Stage.RERANK, "c", inputs, deadline))
    lease = begin(tools.jobs, job_id, Stage.RERANK, lease_seconds=30)
    assert lease is not None
    hit = Hit(Passage("chunk", "doc", 1, 0, TEXT, "Tower", 0, len(TEXT)), 0.9)
    tools.jobs.put_artefact(lease, "query", artefacts.pack_query("", Embedding(np.zeros(4, np.float32))))
    tools.jobs.put_artefact(lease, "best", artefacts.pack_hits([hit]))
    assert tools.jobs.advance(lease, Stage.GENERATE, seconds=0.1)
    return job_id


def answering(job_id: str) -> Thread:
    """A worker's attempt at the last stage, on its way."""
    thread = Thread(target=work_job, args=(app.toolbox, job_id))
    thread.start()
    return thread


def job_of(tools: Tools, job_id: str) -> Job:
    job = tools.jobs.get(job_id)
    assert job is not None
    return job


def test_cancelling_hangs_up_on_a_model_within_a_second(tools: Tools, script: Script) -> None:
    script.answers.append(stalling(script, FIRST_WORDS))
    job_id = ready_to_be_answered(tools)
    worker = answering(job_id)
    assert script.stalled.wait(30)

    tools.jobs.cancel(job_id)
    cancelled = monotonic()
    hung_up = script.hung_up.wait(30)
    took = monotonic() - cancelled
    worker.join(30)

    assert hung_up
    assert took < 1.0
    assert not worker.is_alive()
    assert job_of(tools, job_id).state is JobState.CANCELLED


def test_a_deadline_hangs_up_on_a_model_and_ends_the_job(tools: Tools, script: Script) -> None:
    script.answers.append(stalling(script, FIRST_WORDS))
    deadline = time() + 2
    job_id = ready_to_be_answered(tools, deadline)
    worker = answering(job_id)

    assert script.stalled.wait(30)
    assert script.hung_up.wait(30)
    late = time() - deadline
    worker.join(30)

    assert 0 < late < 1.0
    job = job_of(tools, job_id)
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.error is not None
    assert job.error["type"] == "urn:aegis:problem:timed-out"
    assert "deadline" in job.error["detail"]


def test_a_question_past_its_deadline_never_reaches_the_model(tools: Tools, script: Script) -> None:
    job_id = ready_to_be_answered(tools, time() - 0.01)

    answering(job_id).join(30)

    job = job_of(tools, job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["type"] == "urn:aegis:problem:timed-out"
    assert script.bodies == []
