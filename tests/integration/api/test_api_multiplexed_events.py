"""/v1/events: many jobs on one stream, as the console and the command line follow what they handed in."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from cli.client.client import Client
from cli.client.follower import Follower, JobEvent
from rag.model import JobState, Progress
from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import until

KEYS = {
    "writer-of-all-of-them": {"name": "root", "role": "admin", "collections": ["*"]},
    "reader-of-mine-alone": {"name": "ann", "role": "read", "collections": ["mine"]},
}
ROOT, ANN = ({"Authorization": f"Bearer {key}"} for key in KEYS)


@pytest.fixture
def api(valkey: str, tmp_path) -> Iterator[Service]:
    with serving(settings_of(valkey, tmp_path)) as service:
        yield service


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events of a whole stream: id, kind, job_id and data."""
    blocks = (dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.split("\n\n"))
    return [
        {"id": block.get("id"), "kind": block["event"], **json.loads(block["data"])}
        for block in blocks
        if "data" in block
    ]


def follow(
    api: Service, *jobs: str, after: str = "", headers: dict[str, str] | None = None
) -> httpx.Response:
    """The answer once the stream has ended."""
    more = {"Last-Event-ID": after} if after else {}
    return api.http.get("/v1/events", params={"job": jobs}, headers={**(headers or {}), **more})


def test_the_events_of_all_jobs_come_by_one_stream_to_its_end(api):
    first, second = api.ask("Why?"), api.ask("How?")
    with ThreadPoolExecutor() as pool:
        following = pool.submit(follow, api, first, second)
        lease = api.begin(first)
        api.parts.jobs.progress(lease, Progress(1, 2))
        api.finish(second, {"answer": "So."})
        api.parts.jobs.finish(lease, JobState.FAILED, error={"title": "No", "detail": "broken"})
        answer = following.result(30)

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = told(answer)
    assert {event["job_id"] for event in events} == {first, second}
    assert [event["data"] for event in events if event["kind"] == "progress"] == [{"done": 1, "total": 2}]
    assert [(event["job_id"], event["data"]) for event in events if event["kind"] == "result"] == [
        (second, {"answer": "So."})
    ]
    assert [event["data"]["detail"] for event in events if event["kind"] == "error"] == ["broken"]
    for job in (first, second):
        alone = api.http.get(f"/v1/jobs/{job}/events").text.count("id: ")
        assert sum(event["job_id"] == job for event in events) == alone


def test_it_resumes_after_any_event(api):
    first, second = api.ask("Why?"), api.ask("How?")
    api.finish(second)
    api.finish(first)
    whole = told(follow(api, first, second))

    for number, event in enumerate(whole[:-1]):
        rest = told(follow(api, first, second, after=event["id"]))
        again = [each for each in rest if each not in whole[number + 1 :]]

        assert [each for each in rest if each in whole[number + 1 :]] == whole[number + 1 :]
        assert event not in rest
        moment = event["id"].partition("-")[0]
        assert all(each["id"].startswith(f"{moment}-") for each in again), "of the same millisecond alone"


def test_when_all_is_told_a_browser_need_not_come_back(api):
    first, second = api.ask("Why?"), api.ask("How?")
    api.finish(first)
    api.finish(second)
    last = told(follow(api, first, second))[-1]["id"]
    assert follow(api, first, second, after=last).status_code == 204


def test_a_long_result_comes_whole_and_in_its_place(api):
    long, short = api.ask("Why?"), api.ask("How?")
    with ThreadPoolExecutor() as pool:
        streams = [pool.submit(follow, api, long, short) for _ in range(3)]
        api.finish(long, {"answer": "水" * 20_000})
        api.finish(short)
        answers = [told(stream.result(30)) for stream in streams]

    assert answers[0] == answers[1] == answers[2]
    assert [(event["job_id"], event["data"]) for event in answers[0] if event["kind"] == "result"] == [
        (long, {"answer": "水" * 20_000}),
        (short, {"answer": "So."}),
    ]


def test_pieces_of_answers_stay_on_their_jobs_own_stream(api):
    job = api.ask("Why?")
    lease = api.begin(job)
    api.parts.jobs.emit(lease, "token", {"text": "So"})
    api.parts.jobs.finish(lease, JobState.SUCCEEDED, result={"answer": "So"})

    assert "token" in api.http.get(f"/v1/jobs/{job}/events").text
    assert {event["kind"] for event in told(follow(api, job))} == {"state", "result"}


def test_a_job_out_of_reach_is_one_that_is_not_there(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path, api_keys=KEYS)) as api:
        jobs = []
        for name in ("mine", "theirs"):
            api.http.put(f"/v1/collections/{name}", headers=ROOT).raise_for_status()
            body = {"text": "x", "collection": name}
            jobs.append(api.http.post("/v1/documents", json=body, headers=ROOT).json()["job_id"])
            api.finish(jobs[-1])
        mine, theirs = jobs

        both, nobodys = (told(follow(api, mine, other, headers=ANN)) for other in (theirs, "nobody"))

        assert [event["data"]["type"] for event in both if event["kind"] == "error"] == [
            "urn:aegis:problem:not-found"
        ]
        assert str(both).replace(theirs, "nobody") == str(nobodys)
        assert follow(api, theirs, headers=ANN).status_code == 404
        assert len({event["job_id"] for event in told(follow(api, mine, theirs, headers=ROOT))}) == 2


@pytest.mark.parametrize(
    "query", ["", f"?{'job=x&' * 151}", "?job=x&last_event_id=yesterday", f"?job={'x' * 65}"]
)
def test_what_cannot_be_followed_is_refused(api, query):
    assert api.http.get(f"/v1/events{query}").status_code == 422


def test_a_follower_hears_of_jobs_that_are_added_meanwhile_and_of_nothing_twice(api):
    heard: list[JobEvent] = []
    with Client(api.url) as client, ThreadPoolExecutor() as pool:
        follower = Follower(client)
        following = pool.submit(lambda: heard.extend(follower.events()))
        jobs = []
        for number in range(6):
            jobs.append(api.ask(f"Why {number}?"))
            follower.add(jobs[-1])
            until(lambda: api.parts.jobs.get(jobs[-1]) is not None)
        for job in jobs[:3]:
            api.finish(job)
        late = api.ask("And now?")
        follower.add(late)
        follower.add("nobody")
        follower.close()
        for job in (*jobs[3:], late):
            api.finish(job)
        following.result(60)

    ends = [each for each in heard if each.is_last]
    assert sorted(each.job_id for each in ends) == sorted([*jobs, late, "nobody"])
    assert {each.kind for each in ends if each.job_id != "nobody"} == {"result"}
    for job in jobs:
        assert sum(each.job_id == job for each in heard) == api.http.get(f"/v1/jobs/{job}/events").text.count(
            "id: "
        )


def test_a_follower_asks_rarely(api):
    with Client(api.url) as client, ThreadPoolExecutor() as pool:
        follower = Follower(client)
        jobs = [api.ask(f"Why {number}?") for number in range(30)]
        for job in jobs:
            follower.add(job)
        follower.close()
        following = pool.submit(lambda: sum(each.is_last for each in follower.events()))
        for job in jobs:
            api.finish(job)
        assert following.result(60) == 30

    metrics = api.http.get("/metrics").text
    name = 'http_requests_total{handler="/v1/events",method="GET",status="200"} '
    assert float(metrics.partition(name)[2].split()[0]) == 1
    assert 'handler="/v1/jobs/{job_id}"' not in metrics
