"""What a job is about, in every answer that shows one, and how jobs are found by it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.model import JobState
from tests.integration.apiserver import Service, serving, settings_of

READER, WRITER = "reader-of-the-handbook", "writer-of-the-handbook"
KEYS = {
    READER: {"name": "reader", "role": "read", "collections": ["handbook"]},
    WRITER: {"name": "writer", "role": "write", "collections": ["handbook", "more"]},
    "root-of-all-the-keys": {"name": "root", "role": "admin", "collections": ["*"]},
}
PROBLEM = {"type": "urn:aegis:problem:unavailable", "title": "Away", "detail": "gone"}
NOTHING = dict.fromkeys(
    ("collection", "document_id", "title", "filename", "url", "question", "model", "backup")
)


@pytest.fixture
def api(valkey: str, tmp_path: Path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def brought(api: Service, document_id: str, collection: str = "handbook", **headers: str) -> str:
    body = {"text": "The lamp is green.", "document_id": document_id, "collection": collection}
    answer = api.http.post("/v1/documents", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def listed(api: Service, key: str = "", **params: Any) -> list[str]:
    answer = api.http.get("/v1/jobs", params=params, headers=bearer(key) if key else {})
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["items"]]


def test_every_kind_says_what_it_is_about(api: Service) -> None:
    file = {"file": ("vpn.md", b"# VPN")}
    sent = [
        api.http.post("/v1/documents", files=file, data={"collection": "handbook", "title": "VPN"}),
        api.http.post("/v1/documents", json={"url": "https://a.example/b?signature=s", "document_id": "b"}),
        api.http.post("/v1/documents", json={"text": "The lamp is green."}),
        api.http.post("/v1/queries", json={"question": "Why? " * 100}),
        api.http.post("/v1/backups", json={"mode": "full"}),
        api.http.delete("/v1/collections/handbook"),
    ]
    file_job, url_job, text_job, question, backup, dropped = (
        api.http.get(answer.headers["location"]).json()["subject"] for answer in sent
    )

    assert (file_job["name"], file_job["title"], file_job["filename"]) == ("VPN", "VPN", "vpn.md")
    assert (file_job["collection"], file_job["document_id"]) == ("handbook", sent[0].json()["document_id"])
    assert (url_job["name"], url_job["url"]) == ("b", "https://a.example/b?…")
    assert (text_job["name"], text_job["title"]) == ("The lamp is green.", "The lamp is green.")
    assert question == {**NOTHING, **question, "collection": "aegis_docs_v2", "name": question["question"]}
    assert len(question["question"]) == 200
    assert backup == {**NOTHING, "name": "full backup"}
    assert dropped == {**NOTHING, "name": "handbook", "collection": "handbook"}


def test_the_list_and_one_job_say_the_same(api: Service) -> None:
    brought(api, "guides/vpn.md")
    api.ask("Why?")

    jobs = api.http.get("/v1/jobs").json()["items"]

    assert [job["subject"]["name"] for job in jobs] == ["Why?", "guides/vpn.md"]
    for job in jobs:
        assert api.http.get(f"/v1/jobs/{job['id']}").json()["subject"] == job["subject"]


def test_a_deletion_is_called_as_its_document_was(api: Service) -> None:
    api.publish("guides/vpn.md")

    job_id = api.http.delete("/v1/documents/guides/vpn.md").json()["job_id"]

    subject = api.http.get(f"/v1/jobs/{job_id}").json()["subject"]
    assert (subject["name"], subject["document_id"]) == ("Title", "guides/vpn.md")


def test_a_dead_letter_says_what_it_is_about(api: Service) -> None:
    job_id = brought(api, "guides/vpn.md")
    assert api.parts.jobs.finish(api.begin(job_id), JobState.DEAD, error=PROBLEM)

    (letter,) = api.http.get("/v1/dead-letters").json()["items"]

    assert letter["subject"]["name"] == "guides/vpn.md"
    assert api.http.get(f"/v1/dead-letters/{job_id}").json()["subject"] == letter["subject"]


def test_jobs_are_found_by_their_document(api: Service) -> None:
    first, second = brought(api, "guides/vpn.md"), brought(api, "guides/vpn.md", "more")
    brought(api, "other")
    api.ask("guides/vpn.md")

    assert listed(api, document_id="guides/vpn.md") == [second, first]
    assert listed(api, document_id="guides/vpn.md", collection="handbook") == [first]
    assert listed(api, document_id="nobody") == []


def test_jobs_are_found_by_several_states(api: Service) -> None:
    dead, over, waiting, running = (brought(api, name) for name in "abcd")
    assert api.parts.jobs.finish(api.begin(dead), JobState.DEAD, error=PROBLEM)
    api.finish(over, {})
    api.begin(running)

    assert listed(api, state=["dead", "queued"]) == [waiting, dead]
    assert listed(api, state=["running", "succeeded"], kind=["ingest", "query"]) == [running, over]
    assert listed(api, state=["dead", "queued"], document_id="a") == [dead]
    assert listed(api, state="queued", document_id="a") == []


def test_a_document_tells_of_no_job_that_its_caller_may_not_see(valkey: str, tmp_path: Path) -> None:
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as api:
        ours = brought(api, "vpn", **bearer(WRITER))
        theirs = brought(api, "vpn", "more", **bearer(WRITER))

        assert listed(api, WRITER, document_id="vpn") == [theirs, ours]
        assert listed(api, READER, document_id="vpn") == [ours]
        assert listed(api, "root-of-all-the-keys", document_id="vpn") == [theirs, ours]
        hidden = api.http.get(f"/v1/jobs/{theirs}", headers=bearer(READER))
        assert (hidden.status_code, "vpn" in hidden.text) == (404, False)
        outside = {"document_id": "vpn", "collection": "more"}
        assert api.http.get("/v1/jobs", params=outside, headers=bearer(READER)).status_code == 403


def test_a_page_of_jobs_takes_as_many_looks_as_without_their_subjects(api: Service) -> None:
    for number in range(30):
        brought(api, f"document{number}")
    jobs = api.parts.jobs
    asked = [name for name in ("page", "get") if hasattr(jobs, name)]
    counts: dict[str, int] = dict.fromkeys(asked, 0)

    with pytest.MonkeyPatch.context() as patch:
        for name in asked:
            real = getattr(jobs, name)

            def counted(*args: Any, _name: str = name, _real: Any = real, **named: Any) -> Any:
                counts[_name] += 1
                return _real(*args, **named)

            patch.setattr(jobs, name, counted)
        patch.setattr(api.parts.documents, "get", lambda *_: pytest.fail("a document was looked up"))
        assert len(listed(api, limit=30)) == 30

    assert counts == {"page": 1, "get": 0}


# --- deleting what is on its way for the first time


def test_a_document_is_deleted_during_its_first_ingestion(api: Service) -> None:
    job_id = brought(api, "vpn")
    assert api.http.get("/v1/documents/vpn", params={"collection": "handbook"}).status_code == 404

    answer = api.http.delete("/v1/documents/vpn", params={"collection": "handbook"})

    assert (answer.status_code, answer.json()["document_id"]) == (202, "vpn")
    deletion = api.http.get(answer.headers["location"]).json()
    assert (deletion["kind"], deletion["subject"]["name"]) == ("delete", "vpn")
    assert listed(api, document_id="vpn") == [deletion["id"], job_id]
    assert api.http.delete("/v1/documents/vpn", params={"collection": "handbook"}).status_code == 404


def test_a_document_that_nobody_has_sent_is_not_there(api: Service) -> None:
    brought(api, "vpn")

    assert api.http.delete("/v1/documents/other", params={"collection": "handbook"}).status_code == 404


def test_a_document_is_deleted_again_when_it_was_sent_again(api: Service) -> None:
    params = {"collection": "handbook"}
    brought(api, "vpn")
    first = api.http.delete("/v1/documents/vpn", params=params).json()["job_id"]
    brought(api, "vpn")

    second = api.http.delete("/v1/documents/vpn", params=params)

    assert second.status_code == 202
    assert second.json()["job_id"] != first
