"""A search sees exactly one version of a document, and what is replaced leaves nothing."""

from collections.abc import Callable, Sequence

import pytest

from rag import media
from rag.model import Candidate, Hit, JobState, Stage
from tasks.documents.layouts import embedder_for
from tasks.ingest import ingest
from tasks.ingest.sources import fingerprint_of
from tasks.submit.submissions import Ingestion, Submissions, Text
from tests.deliveries import finished, step
from tests.integration.flows.stages import COLLECTION, InProcess, asked, indexing, seen, submitted, upload


def test_a_document_is_seen_only_when_its_last_stage_is_done(tools: InProcess, desk: Submissions) -> None:
    job_id = submitted(desk, "The harbour bell rings twice at noon.")

    assert step(tools, job_id).stage is Stage.EMBED
    assert step(tools, job_id).stage is Stage.INDEX
    assert seen(tools, "When does the bell ring?") == []
    job = step(tools, job_id)

    assert job.state is JobState.SUCCEEDED
    assert job.result == {"document_id": "doc", "version": 1, "chunks": 1, "tokens": 8, "unchanged": False}
    assert seen(tools, "When does the bell ring?") == ["The harbour bell rings twice at noon."]


def test_what_was_not_read_is_in_the_result_and_stays_with_the_document(
    tools: InProcess, desk: Submissions
) -> None:
    mail = b"From: a@b.c\nSubject: plan\nContent-Type: application/zip; name=plan.zip\n\nPK\x03\x04\x00\x00"

    first, again = (
        finished(
            tools, desk.ingest(Ingestion(upload(mail, "plan.eml", media.EML), COLLECTION, "plan")).job.id
        )
        for _ in range(2)
    )

    (warning,) = (first.result or {})["warnings"]
    assert (warning["kind"], warning["count"]) == ("attachments", 1)
    assert "plan.zip" in warning["text"]
    assert (again.result or {})["unchanged"]
    assert (again.result or {})["warnings"] == [warning]


def test_nothing_is_left_of_the_way_there(tools: InProcess, desk: Submissions) -> None:
    job_id = submitted(desk, "The harbour bell rings twice at noon.")

    finished(tools, job_id)

    assert list(tools.blobs.keys("work")) == []
    assert len(list(tools.blobs.keys("sources"))) == 1
    assert len(list(tools.blobs.keys("texts"))) == 1


def test_a_version_that_is_replaced_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp is green."))

    finished(tools, submitted(desk, "The lamp is violet."))

    assert seen(tools, "lamp") == ["The lamp is violet."]
    assert tools.vectors.count("handbook-1") == 1
    assert len(list(tools.blobs.keys("sources"))) == 1
    assert len(list(tools.blobs.keys("texts"))) == 1


def test_an_older_version_that_comes_late_changes_nothing(tools: InProcess, desk: Submissions) -> None:
    late = submitted(desk, "The lamp is green.")
    step(tools, late)
    step(tools, late)
    finished(tools, submitted(desk, "The lamp is violet."))

    job = step(tools, late)

    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    assert job.result["superseded"]
    assert seen(tools, "lamp") == ["The lamp is violet."]
    assert tools.vectors.count("handbook-1") == 1


def test_the_same_document_again_reaches_no_model(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    monkeypatch.setattr(
        embedder_for(tools, None), "embed_passages", lambda texts: pytest.fail("embedded again")
    )

    job = finished(tools, submitted(desk, "The lamp is green."))

    assert job.result is not None
    assert job.result["unchanged"]
    assert job.result["version"] == 1
    assert len(list(tools.blobs.keys("sources"))) == 1


def test_the_same_document_again_outdates_what_was_accepted_in_between(
    tools: InProcess, desk: Submissions
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    between = indexing(tools, desk, "The lamp is violet.")

    last = finished(tools, submitted(desk, "The lamp is green."))
    late = finished(tools, between)

    assert (last.result or {})["unchanged"]
    assert (late.result or {})["superseded"]
    assert seen(tools, "lamp") == ["The lamp is green."]
    assert tools.vectors.count("handbook-1") == 1
    assert len(list(tools.blobs.keys("sources"))) == 1
    assert len(list(tools.blobs.keys("texts"))) == 1


def test_a_document_that_is_replaced_while_it_is_compared_is_compared_again(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    between = indexing(tools, desk, "The lamp is violet.")
    last = submitted(desk, "The lamp is green.")
    monkeypatch.setattr(
        ingest, "fingerprint_of", after_once(fingerprint_of, lambda: finished(tools, between))
    )

    finished(tools, last)

    assert seen(tools, "lamp") == ["The lamp is green."]
    assert tools.documents.get(COLLECTION, "doc").version == 3


def after_once(real: Callable[..., str], first: Callable[[], object]) -> Callable[..., str]:
    """``real``, before whose first call something happens."""
    waiting = [first]

    def call(*args: object) -> str:
        while waiting:
            waiting.pop()()
        return real(*args)

    return call


def test_other_metadata_makes_another_version(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp is green."))

    job_id = desk.ingest(Ingestion(Text("The lamp is green."), COLLECTION, "doc", metadata={"a": 1})).job.id

    assert (finished(tools, job_id).result or {})["version"] == 2


@pytest.mark.parametrize("stage", [Stage.RERANK, Stage.GENERATE])
def test_a_document_replaced_in_the_middle_of_a_question_is_found_all_the_same(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    finished(tools, submitted(desk, "The lamp of the lighthouse is green."))
    job_id = asked(desk, "Which colour has the lamp of the lighthouse?")
    real, replaced = tools.vectors.candidates, []

    def replace_first(store: str, hits: Sequence[Hit]) -> list[Candidate]:
        job = tools.jobs.get(job_id)
        if not replaced and job is not None and job.stage is stage:
            replaced.append(finished(tools, submitted(desk, "The lamp of the lighthouse is violet.")))
        return real(store, hits)

    monkeypatch.setattr(tools.vectors, "candidates", replace_first)
    result = finished(tools, job_id).result

    assert replaced
    assert result is not None
    colour = "violet" if stage is Stage.RERANK else "green"
    assert [hit["text"] for hit in result["hits"]] == [f"The lamp of the lighthouse is {colour}."]
    assert colour in result["answer"]
    assert len(result["citations"]) == 1
