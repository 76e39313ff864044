"""Questions: cited answers, honest refusals, streams, cancellation."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.system.service import ask, finished, new_collection, send_text

FACTS = (
    "The aqueduct of Lindenau was finished in 1874 by the engineer Clara Weiss.",
    "Ferries leave the northern quay every twenty minutes between dawn and midnight.",
    "The museum keeps a bronze astrolabe that sailors used to find their latitude.",
)


@pytest.fixture(scope="module")
def town(client: httpx.Client) -> str:
    """A collection of a few facts."""
    collection = new_collection()
    for fact in FACTS:
        assert send_text(client, fact, collection=collection)["state"] == "succeeded"
    return collection


def test_an_answer_cites_the_passage_it_comes_from(client: httpx.Client, town: str) -> None:
    result = ask(client, "Who finished the aqueduct of Lindenau?", town)

    assert "Clara Weiss" in result["answer"]
    assert [c["text"] for c in result["citations"]] == [FACTS[0]]
    assert result["hits"][0]["text"] == FACTS[0]
    assert result["hits"] == sorted(result["hits"], key=lambda hit: hit["score"], reverse=True)
    assert result["generator"] == "extractive"
    assert set(result["timings_ms"]) == {"queue", "embed", "search", "rerank", "generate", "total"}


@pytest.mark.parametrize(
    "question", ["What is the boiling point of tungsten?", "Who won the chess olympiad in Dresden?"]
)
def test_a_question_about_something_else_is_turned_away(
    client: httpx.Client, town: str, question: str
) -> None:
    result = ask(client, question, town)

    assert result["citations"] == []
    assert "not found" in result["answer"].lower()


def test_without_generation_there_are_hits_alone(client: httpx.Client, town: str) -> None:
    result = ask(client, "How often do ferries leave?", town, generate=False, top_n=2, top_k=3)

    assert result["answer"] is None
    assert len(result["hits"]) == 2


def test_an_empty_default_collection_answers_honestly(client: httpx.Client) -> None:
    answer = client.post("/v1/queries", json={"question": "When does the canteen of the harbour open?"})

    job = finished(client, answer.json()["job_id"])
    assert job["state"] == "succeeded"
    assert job["result"]["citations"] == []


def test_an_unknown_collection_is_said_to_be_unknown(client: httpx.Client) -> None:
    answer = client.post("/v1/queries", json={"question": "Anything?", "collection": "never-made"})

    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.headers["content-type"] == "application/problem+json"


def test_waiting_with_the_submit_gives_the_finished_job(client: httpx.Client, town: str) -> None:
    answer = client.post(
        "/v1/queries",
        json={"question": "What did sailors use the astrolabe for?", "collection": town},
        headers={"Prefer": "wait=30"},
    )

    assert answer.status_code == httpx.codes.OK
    assert answer.json()["state"] == "succeeded"
    assert "latitude" in answer.json()["result"]["answer"]


def test_the_same_key_and_body_give_the_same_job_and_another_body_is_refused(
    client: httpx.Client, town: str
) -> None:
    headers = {"Idempotency-Key": new_collection()}
    body = {"question": "How often do ferries leave?", "collection": town}

    first, second = (client.post("/v1/queries", json=body, headers=headers) for _ in range(2))
    other = client.post("/v1/queries", json={**body, "top_k": 3}, headers=headers)

    assert first.json()["job_id"] == second.json()["job_id"]
    assert other.status_code == httpx.codes.UNPROCESSABLE_ENTITY


def test_the_events_of_a_job_tell_its_way_and_resume(client: httpx.Client, town: str) -> None:
    body = {"question": "How often do ferries leave?", "collection": town, "stream": True}
    job_id = client.post("/v1/queries", json=body).json()["job_id"]

    events = list(_events(client, job_id))
    rest = list(_events(client, job_id, after=events[1]["id"]))

    kinds = [event["event"] for event in events]
    assert kinds[0] == "state"
    assert kinds[-1] == "result"
    assert "token" in kinds
    tokens = "".join(e["data"]["text"] for e in events if e["event"] == "token")
    assert tokens.strip() == events[-1]["data"]["answer"].strip()
    assert rest == events[2:]


def test_a_cancelled_job_stays_cancelled(client: httpx.Client) -> None:
    collection = new_collection()
    long = "\n\n".join(f"Paragraph {n} speaks about matter {n * 7919} at length." * 8 for n in range(400))
    job_id = client.post("/v1/documents", json={"text": long, "collection": collection}).json()["job_id"]

    answer = client.delete(f"/v1/jobs/{job_id}")

    assert answer.status_code == httpx.codes.ACCEPTED
    assert finished(client, job_id)["state"] == "cancelled"
    again = client.post(f"/v1/jobs/{job_id}/retry")
    assert again.status_code == httpx.codes.ACCEPTED
    assert finished(client, job_id)["state"] == "succeeded"


def _events(client: httpx.Client, job_id: str, after: str | None = None) -> Iterator[dict]:
    """Server-sent events by the form of the HTML standard, until the stream ends."""
    headers = {"Last-Event-ID": after} if after else {}
    with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as stream:
        event: dict = {}
        for line in stream.iter_lines():
            if not line and event:
                yield event
                event = {}
            name, _, value = line.partition(": ")
            if name in ("id", "event"):
                event[name] = value
            elif name == "data":
                event["data"] = json.loads(value)
