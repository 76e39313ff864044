"""Changing a collection's embedding model over HTTP: what is taken, what is refused, what is shown."""

from collections.abc import Iterator

import pytest

from rag.model import Layout
from tests.integration.apiserver import Service, serving, settings_of

MINILM, JINA = "all-MiniLM-L6-v2", "jina-embeddings-v3"


@pytest.fixture(scope="module")
def running(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = settings_of(
        valkey_server,
        tmp_path_factory.mktemp("home"),
        embedder="bundled",
        reranker="bundled",
        jina_base_url="http://127.0.0.1:9/v1",
    )
    with serving(settings) as service:
        yield service


@pytest.fixture
def api(running: Service, valkey: str) -> Service:
    """The running server over an empty database with one collection."""
    assert running.http.put("/v1/collections/docs").status_code == 201
    return running


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:aegis:problem:")


def reindex(api: Service, **body):
    return api.http.post("/v1/collections/docs/reindex", json=body)


def begun(api: Service) -> str:
    """The job's id; its layout is there."""
    job_id = reindex(api, model=JINA, dimension=64).json()["job_id"]
    documents = api.parts.documents
    documents.begin_layout(documents.collection("docs"), Layout(0, JINA, 64, job_id))
    return job_id


def test_a_collection_shows_its_layouts(api):
    first = {"number": 0, "embedding_model": MINILM, "dimension": 384, "state": "serving", "job_id": None}
    assert api.http.get("/v1/collections/docs").json()["layouts"] == [first]

    job_id = begun(api)

    second = {"number": 1, "embedding_model": JINA, "dimension": 64, "state": "building", "job_id": job_id}
    assert api.http.get("/v1/collections/docs").json()["layouts"] == [first, second]


def test_a_reindex_is_a_job(api):
    answer = reindex(api, model=JINA, tolerance=0)

    assert answer.status_code == 202
    job = api.http.get(answer.headers["Location"]).json()
    assert (job["kind"], job["state"], job["stage"]) == ("reindex", "queued", "reembed")
    assert answer.json()["survives"] == "broker-loss"


def test_the_same_key_gives_the_same_job(api):
    sent = [
        api.http.post("/v1/collections/docs/reindex", json={"model": JINA}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]

    assert [answer.status_code for answer in sent] == [202, 202]
    assert sent[0].json()["job_id"] == sent[1].json()["job_id"]
    assert sent[1].headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, (409, "conflict")),
        ({"model": MINILM}, (409, "conflict")),
        ({"model": "ollama:nomic"}, (409, "conflict")),
        ({"model": MINILM, "dimension": 512}, (422, "invalid-request")),
        ({"model": "a b"}, (422, "invalid-request")),
        ({"model": ""}, (422, "invalid-request")),
        ({"model": JINA, "tolerance": 2}, (422, "invalid-request")),
        ({"model": JINA, "dimensions": 64}, (422, "invalid-request")),
    ],
)
def test_what_cannot_be_meant_is_refused(api, body, refusal):
    assert code_of(reindex(api, **body)) == refusal
    assert api.http.get("/v1/jobs", params={"kind": "reindex"}).json()["items"] == []


def test_one_at_a_time(api):
    job_id = reindex(api, model=JINA).json()["job_id"]

    assert code_of(reindex(api, model=JINA, dimension=64)) == (409, "conflict")
    assert api.http.delete(f"/v1/jobs/{job_id}").status_code == 202
    assert reindex(api, model=JINA, dimension=64).status_code == 202


def test_what_one_left_can_be_given_up(api):
    job_id = begun(api)
    assert code_of(api.http.post("/v1/collections/docs/finish")) == (409, "conflict")
    api.http.delete(f"/v1/jobs/{job_id}")

    left = api.http.post("/v1/collections/docs/finish")

    assert left.status_code == 200
    assert [layout["number"] for layout in left.json()["layouts"]] == [0]


def test_there_is_nothing_to_go_back_to(api):
    assert code_of(api.http.post("/v1/collections/docs/rollback")) == (409, "conflict")
    assert code_of(api.http.post("/v1/collections/none/rollback")) == (404, "unknown-collection")
    assert code_of(api.http.post("/v1/collections/none/finish")) == (404, "unknown-collection")
    assert code_of(api.http.post("/v1/collections/none/reindex", json={})) == (404, "unknown-collection")
