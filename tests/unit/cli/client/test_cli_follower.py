"""Many jobs followed by one stream: where it breaks, where it is silent, and how many go into one."""

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from cli.client.client import Client
from cli.client.follower import MOST_JOBS, Follower, JobEvent
from rag.errors import Unauthenticated

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    naps: list[float] = []
    monkeypatch.setattr(Client, "sleep", lambda _, seconds: naps.append(seconds) or False)
    return naps


def follow(serve: Handler, *jobs: str) -> tuple[list[JobEvent], list[httpx.Request]]:
    """What is heard of the jobs, and what the API was asked for."""
    requests: list[httpx.Request] = []

    def noted(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return serve(request)

    with Client("http://api.test/", transport=httpx.MockTransport(noted)) as client:
        follower = Follower(client)
        for job in jobs:
            follower.add(job)
        follower.close()
        return list(follower.events()), requests


def in_turn(*answers: httpx.Response | Handler) -> Handler:
    coming = iter(answers)

    def serve(request: httpx.Request) -> httpx.Response:
        answer = next(coming)
        return answer if isinstance(answer, httpx.Response) else answer(request)

    return serve


def event(number: str, job: str, kind: str, data: dict[str, object]) -> bytes:
    told = json.dumps({"job_id": job, "data": data})
    return f"event: {kind}\ndata: {told}\nid: {number}/{job}\n\n".encode()


def ended(number: str, job: str) -> bytes:
    return event(number, job, "result", {"chunks": 1})


def test_a_broken_stream_goes_on_where_it_broke_and_tells_nothing_twice(naps: list[float]) -> None:
    def breaking(_: httpx.Request) -> httpx.Response:
        def body() -> Iterator[bytes]:
            yield event("5-0", "a", "progress", {"done": 1, "total": 2})
            yield event("5-0", "b", "state", {"state": "running"})
            raise httpx.ReadError("cut")

        return httpx.Response(200, content=body())

    again = event("5-0", "a", "progress", {"done": 1, "total": 2})
    rest = httpx.Response(200, content=again + ended("5-1", "a") + ended("10-0", "b"))

    heard, requests = follow(in_turn(breaking, rest), "a", "b")

    assert [(told.job_id, told.kind) for told in heard] == [
        ("a", "progress"), ("b", "state"), ("a", "result"), ("b", "result")
    ]  # fmt: skip
    assert [request.headers.get("Last-Event-ID") for request in requests] == [None, "5-0/b"]
    assert requests[0].url.params.get_list("job") == ["a", "b"]
    assert naps == [1.0]


def test_an_end_that_no_stream_told_is_looked_for(naps: list[float]) -> None:
    jobs = {
        "a": {"state": "succeeded", "stage": "index", "result": {"chunks": 3}, "error": None},
        "b": {"state": "failed", "stage": "parse", "result": None, "error": {"detail": "broken"}},
        "c": {"state": "cancelled", "stage": "parse", "result": None, "error": None},
    }

    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/events":
            return httpx.Response(204)
        return httpx.Response(200, json=jobs[request.url.path.rpartition("/")[2]])

    heard, _ = follow(serve, *jobs)

    assert [(told.job_id, told.kind, told.is_last) for told in heard] == [
        ("a", "result", True), ("b", "error", True), ("c", "state", True)
    ]  # fmt: skip
    assert naps == []


def test_of_very_many_jobs_as_many_are_followed_as_go_into_one_stream() -> None:
    jobs = [f"j{number}" for number in range(2 * MOST_JOBS + 20)]

    def serve(request: httpx.Request) -> httpx.Response:
        asked = request.url.params.get_list("job")
        assert len(asked) <= MOST_JOBS
        return httpx.Response(200, content=b"".join(ended("1-0", job) for job in asked))

    heard, requests = follow(serve, *jobs)

    assert [told.job_id for told in heard] == jobs
    assert len(requests) == 3


def test_a_stream_that_is_put_off_is_asked_for_when_it_says(naps: list[float]) -> None:
    problem = {"type": "urn:aegis:problem:overloaded", "title": "No", "status": 429, "detail": "many"}
    full = httpx.Response(429, json=problem, headers={"Retry-After": "9"})

    heard, _ = follow(in_turn(full, httpx.Response(200, content=ended("1-0", "a"))), "a")

    assert [told.job_id for told in heard] == ["a"]
    assert naps == [9.0]


def test_a_key_that_is_refused_ends_it() -> None:
    problem = {"type": "urn:aegis:problem:unauthenticated", "title": "No", "status": 401, "detail": "no"}

    with pytest.raises(Unauthenticated):
        follow(in_turn(httpx.Response(401, json=problem)), "a")


def test_without_jobs_nobody_is_asked() -> None:
    assert follow(in_turn()) == ([], [])
