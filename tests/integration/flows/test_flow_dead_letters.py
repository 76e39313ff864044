"""Dead letters are replayed where they died, and leave nothing when they are dropped."""

from time import time

import pytest

from rag.errors import Conflict, NotFound
from rag.model import JobKind, JobState, Stage
from tasks.documents.layouts import embedder_for
from tasks.documents.leftovers import forget
from tasks.submit.submissions import Question, Submissions
from tasks.upkeep.maintenance import remove_leftovers
from tests.deliveries import begin, finished, step
from tests.integration.flows.stages import COLLECTION, InProcess, crashed_while_indexing, seen, submitted


def died_while_indexing(tools: InProcess, desk: Submissions) -> str:
    """A dead letter whose points were written."""
    job_id = crashed_while_indexing(tools, desk)
    for _ in range(3):  # its worker's next children die as well
        begin(tools.jobs, job_id, Stage.INDEX, lease_seconds=30, worker=tools.worker)
    assert step(tools, job_id).state is JobState.DEAD
    return job_id


def test_a_dropped_dead_letter_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    job_id = died_while_indexing(tools, desk)
    assert remove_leftovers(tools) == 0
    assert tools.vectors.count("handbook-1") == 1

    assert desk.dead_letters.drop(job_id).state is JobState.FAILED
    assert remove_leftovers(tools) == 1

    assert tools.vectors.count("handbook-1") == 0
    assert [key for folder in ("work", "sources", "texts") for key in tools.blobs.keys(folder)] == []


def test_a_replayed_dead_letter_resumes_at_its_stage_and_doubles_nothing(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = died_while_indexing(tools, desk)
    monkeypatch.setattr(
        embedder_for(tools, None), "embed_passages", lambda texts: pytest.fail("embedded again")
    )

    assert desk.dead_letters.replay(job_id).stage is Stage.INDEX

    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert tools.vectors.count("handbook-1") == 1
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_a_forgotten_dead_letter_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    job_id = died_while_indexing(tools, desk)
    job = tools.jobs.get(job_id)
    assert job is not None
    tools.jobs.prune(finished_before=0, dead_before=time() + 60, most=100, limit=10)

    forget(tools, job)

    assert tools.vectors.count("handbook-1") == 0
    assert [key for folder in ("work", "sources", "texts") for key in tools.blobs.keys(folder)] == []


def test_dead_letters_are_replayed_and_dropped_by_reason_and_collection(
    tools: InProcess, desk: Submissions
) -> None:
    ids = {}
    for reason in ("unavailable", "crashed"):
        for _ in range(3):
            job_id = submitted(desk, "The lamp is green.", document_id=str(len(ids)))
            lease = begin(tools.jobs, job_id, Stage.PARSE, lease_seconds=30)
            assert lease is not None
            error = {"type": f"urn:aegis:problem:{reason}", "detail": "died"}
            tools.jobs.finish(lease, JobState.DEAD, error=error)
            ids[job_id] = reason

    assert desk.dead_letters.replay_all("unavailable", ["another"], JobKind) == (0, 0)
    assert desk.dead_letters.replay_all("unavailable", [COLLECTION], JobKind) == (3, 0)
    assert desk.dead_letters.drop_all(None, None, JobKind) == 3

    for job_id, reason in ids.items():
        job = tools.jobs.get(job_id)
        assert job is not None
        assert job.state is (JobState.QUEUED if reason == "unavailable" else JobState.FAILED)
    assert len(list(tools.blobs.keys("sources"))) == 3


def test_only_dead_letters_are_replayed_and_dropped(tools: InProcess, desk: Submissions) -> None:
    job_id = submitted(desk, "The lamp is green.")
    for change in (desk.dead_letters.replay, desk.dead_letters.drop):
        with pytest.raises(Conflict):
            change(job_id)
        with pytest.raises(NotFound):
            change("nobody")


def test_a_question_that_died_is_replayed_with_fresh_time(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp of the lighthouse is green."))
    question = Question("Which colour has the lamp?", COLLECTION, top_k=10, top_n=3, where={}, timeout=0.05)
    job_id = desk.ask(question).job.id
    lease = begin(tools.jobs, job_id, Stage.EMBED_QUERY, lease_seconds=30)
    assert lease is not None
    tools.jobs.finish(lease, JobState.DEAD, error={"type": "urn:aegis:problem:unavailable", "detail": "away"})
    assert lease.job.deadline is not None
    while time() < lease.job.deadline:
        pass

    job = desk.dead_letters.replay(job_id)

    assert job.state is JobState.QUEUED
    assert job.deadline is not None
    assert job.deadline > lease.job.deadline
