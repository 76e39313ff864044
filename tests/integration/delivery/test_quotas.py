"""How much a key may keep, from its submit to the point where a document would be seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import QuotaExceeded
from rag.model import Holdings, Job, JobState, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.submit.submissions import Ingestion, Submissions, Text
from tests import deliveries
from tests.deliveries import record_bells
from tests.integration.apiserver import serving, settings_of
from tests.integration.farmodel import InProcess
from tests.system.running import until

COLLECTION = "handbook"


@pytest.fixture
def tools(
    valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[InProcess]:
    record_bells(monkeypatch)
    built = InProcess(Settings(redis_url=valkey, aegis_home=tmp_path, **getattr(request, "param", {})))
    app.import_tasks()
    app.toolbox = built
    yield built
    built.vectors.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def handed_in(desk: Submissions, document_id: str, text: str = "A lamp.", owner: str = "a") -> Job:
    return desk.ingest(Ingestion(Text(text), COLLECTION, document_id), owner=owner).job


def finished(tools: InProcess, job: Job) -> Job:
    return deliveries.finished(tools, job.id)


@pytest.mark.parametrize("tools", [{"max_documents_per_key": 2}], indirect=True)
def test_a_key_keeps_no_more_documents_than_it_may(tools: InProcess, desk: Submissions) -> None:
    for document_id in ("one", "two"):
        finished(tools, handed_in(desk, document_id))
    kept = set(tools.blobs.keys(""))

    with pytest.raises(QuotaExceeded, match="2 documents"):
        handed_in(desk, "three")

    assert set(tools.blobs.keys("")) == kept, "nothing of it stays"
    assert finished(tools, handed_in(desk, "two", "Another lamp.")).state is JobState.SUCCEEDED
    assert finished(tools, handed_in(desk, "three", owner="b")).state is JobState.SUCCEEDED
    desk.delete_document(COLLECTION, "one")
    assert finished(tools, handed_in(desk, "four")).state is JobState.SUCCEEDED
    assert tools.documents.holdings("a") == Holdings(2, len("Another lamp.") + len("A lamp."))


@pytest.mark.parametrize("tools", [{"max_mb_per_key": 1}], indirect=True)
def test_a_key_keeps_no_more_bytes_than_it_may(tools: InProcess, desk: Submissions) -> None:
    large = "lamp " * 150_000
    finished(tools, handed_in(desk, "one", large))

    with pytest.raises(QuotaExceeded, match=r"0\.8 MB"):
        handed_in(desk, "two", large)

    assert finished(tools, handed_in(desk, "one", large + "Again.")).state is JobState.SUCCEEDED


@pytest.mark.parametrize("tools", [{"max_documents_per_key": 1, "batch_jobs": 1}], indirect=True)
def test_what_came_in_the_meantime_counts_too(tools: InProcess, desk: Submissions) -> None:
    first, second = handed_in(desk, "one"), handed_in(desk, "two")

    ended = [finished(tools, first), finished(tools, second)]

    assert sorted(job.state for job in ended) == [JobState.FAILED, JobState.SUCCEEDED]
    (failed,) = (job for job in ended if job.state is JobState.FAILED)
    assert failed.stage is Stage.INDEX
    assert failed.error is not None
    assert failed.error["type"] == "urn:aegis:problem:quota-exceeded"
    assert tools.documents.holdings("a").documents == 1


@pytest.mark.parametrize("tools", [{"max_documents_per_key": 1}], indirect=True)
def test_without_keys_nothing_is_counted(tools: InProcess, desk: Submissions) -> None:
    for document_id in ("one", "two"):
        assert finished(tools, handed_in(desk, document_id, owner="")).state is JobState.SUCCEEDED


@pytest.mark.parametrize("tools", [{"max_metadata_mb": 1}], indirect=True)
def test_metadata_is_not_multiplied_without_end(tools: InProcess, desk: Submissions) -> None:
    metadata = {"facts": ["x" * 30 + str(n) for n in range(300)]}
    long = "\n\n".join(f"Lamp {n} {'shines ' * 150}" for n in range(100))

    small, large = (
        finished(tools, desk.ingest(Ingestion(Text(text), COLLECTION, "d", metadata=metadata)).job)
        for text in ("A lamp.", long)
    )

    assert small.state is JobState.SUCCEEDED
    assert large.error is not None
    assert large.error["type"] == "urn:aegis:problem:document-too-large"
    assert "MAX_METADATA_MB" in large.error["detail"]


def test_a_key_holds_no_more_streams_and_polls_than_its_share(valkey: str, tmp_path: Path) -> None:
    keys = {
        f"{name}-long-enough-to-be-a-key": {"name": name, "role": "write", "collections": ["*"]}
        for name in ("a", "b")
    }
    with serving(settings_of(valkey, tmp_path, api_keys=keys, max_connections=10)) as api:
        a, b = ({"Authorization": f"Bearer {key}"} for key in keys)
        api.http.put("/v1/collections/aegis_docs_v2", headers=a)
        job_id = api.http.post("/v1/queries", json={"question": "Why?"}, headers=a).json()["job_id"]
        following = f"/v1/jobs/{job_id}/events"
        with (
            api.http.stream("GET", following, headers=a) as first,
            api.http.stream("GET", following, headers=a) as second,
        ):
            open_streams = [first.iter_lines(), second.iter_lines()]
            assert all(next(lines) for lines in open_streams)

            refused = [api.http.get(path, headers=a) for path in (following, f"/v1/jobs/{job_id}?wait=30")]
            at_once = api.http.post(
                "/v1/queries", json={"question": "How?"}, headers={**a, "Prefer": "wait=30"}
            )
            with api.http.stream("GET", following, headers=b) as other:
                assert next(other.iter_lines())

        until(lambda: api.http.get(f"/v1/jobs/{job_id}?wait=0.01", headers=a).status_code == 200)

    assert [answer.status_code for answer in refused] == [429, 429]
    assert (at_once.status_code, at_once.headers.get("Preference-Applied")) == (202, None)


def test_a_caller_over_a_quota_gets_403_and_one_over_its_share_429(valkey: str, tmp_path: Path) -> None:
    keys = {
        f"{name}-long-enough-to-be-a-key": {"name": name, "role": "write", "collections": ["*"]}
        for name in ("a", "b")
    }
    settings = settings_of(
        valkey, tmp_path, api_keys=keys, max_collections=1, max_open_queries=4, max_open_jobs_per_key=3
    )
    with serving(settings) as api:
        a, b = ({"Authorization": f"Bearer {key}"} for key in keys)
        assert api.http.put("/v1/collections/one", headers=a).status_code == 201

        refused = api.http.put("/v1/collections/two", headers=a)
        asked = [
            api.http.post("/v1/queries", json={"question": "Why?", "collection": "one"}, headers=who)
            for who in (a, a, a, b)
        ]

    assert (refused.status_code, refused.json()["type"]) == (403, "urn:aegis:problem:quota-exceeded")
    assert [answer.status_code for answer in asked] == [202, 202, 429, 202]
    assert "of this key" in asked[2].json()["detail"]
    assert int(asked[2].headers["Retry-After"]) >= 1
