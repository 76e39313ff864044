"""Dead letters over HTTP: read, replayed, dropped; and whom they are shown to."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rag.model import JobState, Json, Stage
from tests.integration.apiserver import Service, serving, settings_of

FIELDS = {
    "subject",
    "id", "kind", "collection", "document_id", "stage", "reason", "error", "attempts", "retries",
    "created_at", "died_at", "inputs",
}  # fmt: skip


@pytest.fixture(scope="module")
def running(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(settings_of(valkey_server, tmp_path_factory.mktemp("home"))) as service:
        yield service


@pytest.fixture
def api(running: Service, valkey: str) -> Service:
    """The running server over an empty database."""
    return running


def die(api: Service, job_id: str, reason: str = "unavailable") -> str:
    """Have the job given up at its present stage."""
    error = {"type": f"urn:aegis:problem:{reason}", "title": "Given up", "detail": "the model is away"}
    assert api.parts.jobs.finish(api.begin(job_id), JobState.DEAD, error=error)
    return job_id


def ingested(api: Service, collection: str = "handbook", **headers: str) -> str:
    answer = api.http.post(
        "/v1/documents",
        files={"file": ("guide.md", b"# VPN")},
        data={"collection": collection, "document_id": "guides/vpn", "metadata": '{"lang": "en"}'},
        headers=headers,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def listed(api: Service, **wanted: str) -> list[Json]:
    answer = api.http.get("/v1/dead-letters", params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()["items"]
    return items


def ids(letters: list[Json]) -> list[str]:
    return [letter["id"] for letter in letters]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:aegis:problem:")


def state(api: Service, job_id: str) -> str:
    return str(api.http.get(f"/v1/jobs/{job_id}").json()["state"])


def test_a_dead_letter_tells_a_url_without_its_query(api):
    url = "https://example.com/a?X-Amz-Signature=s3cret#s3cret"
    answer = api.http.post("/v1/documents", json={"url": url})
    die(api, answer.json()["job_id"])

    (letter,) = listed(api)

    assert letter["stage"] == "fetch"
    assert letter["inputs"]["url"] == "https://example.com/a?…"


@pytest.mark.parametrize("url", ["https://u:s3cret@example.com/", "http://[s3cret", "ftp://x/?s3cret"])
def test_a_url_that_is_refused_is_not_repeated(api, url):
    answer = api.http.post("/v1/documents", json={"url": url})
    assert code(answer) == (422, "invalid-request")
    assert "s3cret" not in answer.text


def test_a_dead_letter_tells_what_was_submitted_and_why_it_died(api):
    question = die(api, api.ask("Why?", filter={"lang": "en"}))
    document = die(api, ingested(api), "crashed")

    of_document, of_question = listed(api)

    assert ids([of_document, of_question]) == [document, question]
    assert of_question.keys() == FIELDS
    assert (of_question["kind"], of_question["stage"]) == ("query", "embed_query")
    assert of_question["reason"] == "unavailable"
    assert of_question["error"]["detail"] == "the model is away"
    assert (of_question["attempts"], of_question["retries"]) == (1, 0)
    assert of_question["died_at"] >= of_question["created_at"]
    assert of_question["inputs"]["question"] == "Why?"
    assert of_question["inputs"]["filter"] == {"lang": "en"}
    assert (of_document["reason"], of_document["document_id"]) == ("crashed", "guides/vpn")
    assert of_document["inputs"] == {
        "filename": "guide.md", "media_type": "text/markdown", "title": None, "metadata": {"lang": "en"}
    }  # fmt: skip
    assert api.http.get(f"/v1/dead-letters/{question}").json() == of_question


def test_only_the_dead_are_listed_by_reason_and_collection_page_by_page(api):
    alive = api.ask()
    away = [die(api, api.ask()) for _ in range(3)]
    crashed = die(api, ingested(api), "crashed")

    assert ids(listed(api)) == [crashed, *reversed(away)]
    assert ids(listed(api, reason="crashed")) == [crashed]
    assert ids(listed(api, collection="handbook")) == [crashed]
    assert ids(listed(api, collection="handbook", reason="unavailable")) == []
    assert alive not in ids(listed(api))
    seen, cursor = [], None
    while cursor is not None or not seen:
        page = api.http.get("/v1/dead-letters", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += ids(page.json()["items"])
        cursor = page.json()["next"]
    assert seen == [crashed, *reversed(away)]


def test_a_replay_goes_on_where_the_job_died(api):
    job_id = ingested(api)
    assert api.parts.jobs.advance(api.begin(job_id), Stage.EMBED, seconds=0.1)
    die(api, job_id)

    answer = api.http.post(f"/v1/dead-letters/{job_id}/replay")

    assert answer.status_code == 202
    assert (answer.json()["job_id"], answer.json()["document_id"]) == (job_id, "guides/vpn")
    assert answer.headers["location"] == answer.json()["status_url"] == f"/v1/jobs/{job_id}"
    job = api.http.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["stage"], job["attempts"], job["error"]) == ("queued", "embed", 0, None)
    assert listed(api) == []
    api.finish(job_id)
    assert state(api, job_id) == "succeeded"


def test_a_dropped_one_counts_as_failed(api):
    job_id = die(api, api.ask())

    answer = api.http.delete(f"/v1/dead-letters/{job_id}")

    assert (answer.status_code, answer.json()["state"]) == (202, "failed")
    assert answer.json()["error"]["detail"] == "the model is away"
    assert listed(api) == []
    assert code(api.http.get(f"/v1/dead-letters/{job_id}")) == (404, "not-found")


@pytest.mark.parametrize(("method", "suffix"), [("POST", "/replay"), ("DELETE", "")])
def test_what_is_not_dead_is_neither_replayed_nor_dropped(api, method, suffix):
    for end in (lambda job_id: None, api.finish):
        job_id = api.ask()
        end(job_id)
        assert code(api.http.request(method, f"/v1/dead-letters/{job_id}{suffix}")) == (409, "conflict")
        assert code(api.http.get(f"/v1/dead-letters/{job_id}")) == (404, "not-found")
    assert code(api.http.request(method, f"/v1/dead-letters/nobody{suffix}")) == (404, "not-found")


def test_all_of_a_reason_are_replayed(api):
    away = [die(api, api.ask()) for _ in range(3)]
    crashed = die(api, ingested(api), "crashed")

    answer = api.http.post("/v1/dead-letters/replay", json={"reason": "unavailable"})

    assert (answer.status_code, answer.json()) == (202, {"replayed": 3})
    assert {state(api, job_id) for job_id in away} == {"queued"}
    assert ids(listed(api)) == [crashed]
    assert api.http.post("/v1/dead-letters/replay", json={}).json() == {"replayed": 1}
    assert api.http.post("/v1/dead-letters/replay", json={}).json() == {"replayed": 0}


def test_nobody_drops_everything_by_mistake(api):
    die(api, api.ask())
    die(api, ingested(api), "crashed")

    assert code(api.http.delete("/v1/dead-letters")) == (422, "invalid-request")
    assert code(api.http.delete("/v1/dead-letters?all=false")) == (422, "invalid-request")
    assert len(listed(api)) == 2
    assert api.http.delete("/v1/dead-letters?reason=crashed").json() == {"dropped": 1}
    assert api.http.delete("/v1/dead-letters?all=true").json() == {"dropped": 1}
    assert listed(api) == []


@pytest.mark.parametrize("reason", ["", "Crashed", "no reason", "x" * 65, "crashed;", "a--b"])
def test_a_reason_that_cannot_be_one_is_refused(api, reason):
    wanted: dict[str, Any] = {"reason": reason}

    assert code(api.http.get("/v1/dead-letters", params=wanted)) == (422, "invalid-request")
    assert code(api.http.delete("/v1/dead-letters", params=wanted)) == (422, "invalid-request")
    assert code(api.http.post("/v1/dead-letters/replay", json=wanted)) == (422, "invalid-request")


def test_roles_and_scopes_hold(valkey, tmp_path):
    keys = {
        "r" * 16: {"name": "reader", "role": "read", "collections": ["mine"]},
        "w" * 16: {"name": "writer", "role": "write", "collections": ["mine"]},
        "a" * 16: {"name": "admin", "role": "admin", "collections": ["*"]},
    }
    with serving(settings_of(valkey, tmp_path, api_keys=keys)) as api:
        mine, theirs = (
            die(api, ingested(api, name, Authorization=f"Bearer {'a' * 16}")) for name in ("mine", "theirs")
        )

        def call(key: str, method: str, path: str = "", **more: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {key * 16}"}
            return api.http.request(method, f"/v1/dead-letters{path}", headers=headers, **more)

        assert ids(call("r", "GET").json()["items"]) == [mine]
        assert ids(call("a", "GET").json()["items"]) == [theirs, mine]
        assert call("r", "GET", "?collection=theirs").status_code == 403
        assert call("r", "GET", f"/{mine}").status_code == 200
        for method, path in (("POST", f"/{mine}/replay"), ("DELETE", f"/{mine}"), ("DELETE", "?all=true")):
            assert call("r", method, path).status_code == 403
        assert call("r", "POST", "/replay", json={}).status_code == 403
        for method, path in (("GET", f"/{theirs}"), ("POST", f"/{theirs}/replay"), ("DELETE", f"/{theirs}")):
            assert call("w", method, path).status_code == 404
        assert call("w", "POST", "/replay", json={"collection": "theirs"}).status_code == 403
        assert call("w", "DELETE", "?all=true").json() == {"dropped": 1}
        assert ids(call("a", "GET").json()["items"]) == [theirs]
        assert call("w", "POST", "/replay", json={}).json() == {"replayed": 0}
        assert call("a", "POST", "/replay", json={}).json() == {"replayed": 1}
