"""The REST contract over HTTP, with real stores: submits, jobs, waiting, events."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from rag.model import EventKind, JobState, Progress, Stage
from tests.integration.apiserver import Service, serving, settings_of

RECORD = {
    "id", "kind", "state", "stage", "progress", "queue_position", "created_at", "started_at", "finished_at",
    "attempts", "result", "error",
    "trace_id",
    "subject", "waiting_for", "batch_id",
}  # fmt: skip


@pytest.fixture(scope="module")
def running(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(settings_of(valkey_server, tmp_path_factory.mktemp("home"), max_upload_mb=1)) as service:
        yield service


@pytest.fixture
def api(running: Service, valkey: str) -> Service:
    """The running server over an empty database."""
    return running


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert {"title", "detail"} <= body.keys()
    return bool(body["type"] == f"urn:aegis:problem:{code}")


# --- submits


def test_a_file_is_accepted_and_its_job_can_be_read(api):
    answer = api.http.post(
        "/v1/documents",
        files={"file": ("guide.md", b"# VPN\n\nTake a token.")},
        data={
            "collection": "handbook",
            "document_id": "guides/vpn",
            "metadata": '{"lang": "en"}',
            "title": "VPN",
        },
    )

    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted.keys() == {"job_id", "document_id", "status_url", "survives"}
    assert accepted["document_id"] == "guides/vpn"
    assert answer.headers["location"] == accepted["status_url"]
    job = api.http.get(accepted["status_url"]).json()
    assert job.keys() == RECORD
    assert (job["kind"], job["state"], job["queue_position"]) == ("ingest", "queued", 1)
    assert job["created_at"].endswith("Z")
    assert api.http.get("/v1/collections/handbook").status_code == 200
    stored = api.parts.jobs.get(accepted["job_id"])
    assert api.parts.blobs.get(stored.inputs["source_key"]) == b"# VPN\n\nTake a token."


def test_a_file_that_outgrows_memory_arrives_whole(api):
    data = bytes(range(32, 127)) * 10_000

    accepted = api.http.post("/v1/documents", files={"file": ("big.txt", data)}).json()

    assert api.parts.blobs.get(api.parts.jobs.get(accepted["job_id"]).inputs["source_key"]) == data


@pytest.mark.parametrize("source", [{"text": "Hello"}, {"url": "https://example.com/a.html"}])
def test_text_and_url_are_accepted(api, source):
    answer = api.http.post("/v1/documents", json=source)

    assert answer.status_code == 202
    assert answer.json()["document_id"]


def sent(api, name: str, data: bytes, **fields: str) -> str:
    """The id of the document that a file becomes."""
    answer = api.http.post("/v1/documents", files={"file": (name, data)}, data=fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["document_id"])


def test_a_file_is_known_by_its_name_so_that_a_changed_one_replaces_it(api):
    assert sent(api, "a.txt", b"one") == sent(api, "a.txt", b"two") == "a.txt"
    assert sent(api, "guides/a.txt", b"one") == "guides/a.txt"
    assert sent(api, "/srv/files/a.txt", b"one") == "a.txt"


def test_a_text_is_known_by_what_it_says(api):
    ids = [
        api.http.post("/v1/documents", json={"text": text, "on_conflict": "keep"}).json()["document_id"]
        for text in ("same", "same", "other")
    ]

    assert ids[0] == ids[1] != ids[2]


def test_a_document_that_is_to_be_kept_gets_another_beside_it(api):
    first = sent(api, "a.txt", b"one", on_conflict="keep")
    second = sent(api, "a.txt", b"two", on_conflict="keep")
    again = sent(api, "a.txt", b"two", on_conflict="keep")
    third = api.http.post("/v1/documents?on_conflict=keep", files={"file": ("a.txt", b"three")}).json()
    chosen = api.http.post(
        "/v1/documents", json={"text": "x", "document_id": "a.txt", "on_conflict": "keep"}
    ).json()

    assert first == "a.txt"
    assert second == again
    assert len({first, second, third["document_id"], chosen["document_id"]}) == 4
    assert sent(api, "a.txt", b"four") == sent(api, "a.txt", b"five", on_conflict="replace") == "a.txt"


def test_what_is_to_be_kept_is_said_once(api):
    answer = api.http.post(
        "/v1/documents?on_conflict=keep", json={"text": "x", "document_id": "d", "on_conflict": "replace"}
    )

    assert is_problem(answer, 422, "invalid-request")
    assert is_problem(
        api.http.post("/v1/documents?on_conflict=x", json={"text": "x"}), 422, "invalid-request"
    )


def test_a_repeated_submit_is_the_same_document_where_others_are_kept(api):
    key = {"Idempotency-Key": "k"}
    answers = [
        api.http.post("/v1/documents?on_conflict=keep", files={"file": ("a.txt", b"one")}, headers=key)
        for _ in range(2)
    ]

    assert [answer.json()["document_id"] for answer in answers] == ["a.txt", "a.txt"]
    assert answers[0].json()["job_id"] == answers[1].json()["job_id"]


def test_too_large_is_refused_before_it_is_read(api):
    answer = api.http.post("/v1/documents", files={"file": ("a.txt", b"x" * 3_000_000)})

    assert is_problem(answer, 413, "document-too-large")


def test_too_large_is_refused_without_a_length_too(api):
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        for _ in range(40):
            sent += 100_000
            yield b"x" * 100_000
        yield b"\r\n--b--\r\n"

    answer = api.http.post(
        "/v1/documents", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert is_problem(answer, 413, "document-too-large")


def test_a_body_just_over_the_limit_is_too_large(api):
    assert is_problem(
        api.http.post("/v1/documents", files={"file": ("a.txt", b"x" * (1024 * 1024 + 1))}),
        413,
        "document-too-large",
    )


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"files": {"file": ("a.gif", b"GIF89a" + bytes(99))}}, 415, "unsupported-media"),
        ({"files": {"file": ("a.txt", b"")}}, 422, "invalid-request"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"metadata": "{"}}, 422, "invalid-request"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"collection": "../x"}}, 422, "invalid-request"),
        ({"files": {"file": ("a.txt", b"a")}, "data": {"text": "b"}}, 422, "invalid-request"),
        ({"json": {}}, 422, "invalid-request"),
        ({"json": {"text": "a", "url": "https://example.com"}}, 422, "invalid-request"),
        ({"json": {"text": "a", "document_id": "x" * 257}}, 422, "invalid-request"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "invalid-request"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unexpected-content-type"),
        ({"content": b"x"}, 415, "unexpected-content-type"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "malformed-request"),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            400,
            "malformed-request",
        ),
    ],
)
def test_wrong_documents_are_refused(api, request_, status, code):
    assert is_problem(api.http.post("/v1/documents", **request_), status, code)


def test_a_question_needs_a_collection_that_is_there(api):
    answer = api.http.post("/v1/queries", json={"question": "Why?", "collection": "nowhere"})

    assert is_problem(answer, 404, "unknown-collection")


@pytest.mark.parametrize(
    "body",
    [
        {"question": ""},
        {"question": "x" * 4001},
        {"question": "x", "top_k": 1001},
        {"question": "x", "top_k": 1, "top_n": 2},
        {"question": "x", "filter": {"a": {"near": 1}}},
        {"question": "x", "filter": {"a": 10**400}},
        {"question": "x", "nonsense": 1},
        [],
        "x",
    ],
)
def test_wrong_questions_are_refused_with_their_fields(api, body):
    answer = api.http.post("/v1/queries", json=body)

    assert is_problem(answer, 422, "invalid-request")
    assert answer.json()["errors"][0]["in"] == "body"


@pytest.mark.parametrize(("sent", "seconds"), [({}, 300), ({"timeout": 20}, 20)])
def test_a_question_is_wanted_for_so_long(api, sent, seconds):
    before = time.time()

    deadline = api.parts.jobs.get(api.ask(**sent)).deadline

    assert before + seconds <= deadline <= time.time() + seconds


def test_a_question_may_not_be_wanted_for_longer_than_jobs_may_take(api):
    answer = api.http.post("/v1/queries", json={"question": "Why?", "timeout": 301})

    assert is_problem(answer, 422, "invalid-request")
    assert "API_TIMEOUT" in answer.json()["detail"]


def test_a_long_body_is_no_question(api):
    answer = api.http.post("/v1/queries", json={"question": "x" * 2_000_000})

    assert is_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        ("/v1/queries", [{"json": {"question": "a", "top_k": 5}}, {"json": {"question": "b"}}]),
        ("/v1/documents", [{"json": {"text": "a", "title": "t"}}, {"json": {"text": "b", "title": "t"}}]),
        ("/v1/documents", [{"files": {"file": ("a.txt", b"a")}}, {"files": {"file": ("a.txt", b"b")}}]),
    ],
)
def test_an_idempotency_key_names_one_job(api, path, bodies):
    api.http.put("/v1/collections/aegis_docs_v2")
    same, other = bodies
    key = {"Idempotency-Key": "order-1"}

    first = api.http.post(path, headers=key, **same)
    again = api.http.post(path, headers=key, **same)

    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert is_problem(api.http.post(path, headers=key, **other), 422, "idempotency-mismatch")
    assert api.http.post(path, headers={"Idempotency-Key": "order-2"}, **same).json() != first.json()


def test_what_is_refused_or_repeated_makes_nothing(api):
    key = {"Idempotency-Key": "order-1"}
    first = {"text": "a", "collection": "temporary", "document_id": "one"}
    job_id = api.http.post("/v1/documents", headers=key, json=first).json()["job_id"]
    api.http.delete("/v1/collections/temporary").raise_for_status()

    for other in ({"collection": "never"}, {"document_id": "ghost", "collection": "aegis_docs_v2"}):
        refused = api.http.post("/v1/documents", headers=key, json={**first, **other})
        assert is_problem(refused, 422, "idempotency-mismatch")
    again = api.http.post("/v1/documents", headers=key, json=first)

    assert again.json()["job_id"] == job_id
    assert api.http.get("/v1/collections/never").status_code == 404
    assert api.http.get("/v1/collections/temporary").status_code == 404
    assert api.http.delete("/v1/documents/ghost").status_code == 404


@pytest.mark.parametrize("document_id", [".", "..", "a/../b", " "])
def test_an_id_that_no_address_can_have_is_refused(api, document_id):
    answer = api.http.post("/v1/documents", json={"text": "a", "document_id": document_id})

    assert is_problem(answer, 422, "invalid-request")


def test_what_is_unset_asks_for_nothing_else_than_the_address(api):
    body = {"text": "a", "document_id": "d", "on_conflict": None}

    assert api.http.post("/v1/documents?on_conflict=keep", json=body).status_code == 202


# --- waiting


def test_prefer_wait_answers_with_the_finished_job(api):
    api.http.put("/v1/collections/aegis_docs_v2")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            api.http.post, "/v1/queries", json={"question": "Why?"}, headers={"Prefer": "wait=30"}
        )
        api.finish(the_only_job(api), {"answer": "So."})
        answer = waiting.result(20)

    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.json()["result"] == {"answer": "So."}
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"


def test_prefer_wait_answers_202_when_time_is_up(api):
    api.http.put("/v1/collections/aegis_docs_v2")

    answer = api.http.post("/v1/queries", json={"question": "Why?"}, headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    assert answer.json()["job_id"]


def test_a_long_poll_ends_with_the_job(api):
    job_id = api.ask()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(api.http.get, f"/v1/jobs/{job_id}", params={"wait": 30})
        lease = api.begin(job_id)
        api.parts.jobs.progress(lease, Progress(1, 2))
        assert not waiting.done()
        api.parts.jobs.finish(lease, JobState.FAILED, error={"detail": "no"})
        job = waiting.result(20).json()

    assert (job["state"], job["error"], job["attempts"]) == ("failed", {"detail": "no"}, 1)
    assert job["progress"] == {"done": 1, "total": 2}


def test_a_long_poll_ends_with_its_time(api):
    started = time.monotonic()

    job = api.http.get(f"/v1/jobs/{api.ask()}", params={"wait": 0.3}).json()

    assert job["state"] == "queued"
    assert 0.3 <= time.monotonic() - started < 10


@pytest.mark.parametrize("wait", ["61", "-1", "nan", "x"])
def test_waits_that_are_refused(api, wait):
    assert is_problem(api.http.get(f"/v1/jobs/{api.ask()}", params={"wait": wait}), 422, "invalid-request")


def test_many_waiters_leave_room_for_submits(valkey, tmp_path):
    with serving(settings_of(valkey, tmp_path, max_concurrent_requests=2)) as api:
        job_id = api.ask()
        with ThreadPoolExecutor(12) as pool:
            waiting = [
                pool.submit(httpx.get, f"{api.url}/v1/jobs/{job_id}?wait=20", timeout=30) for _ in range(12)
            ]
            for _ in range(5):
                api.ask()
            assert not any(one.done() for one in waiting)
            api.finish(job_id)
            assert {one.result(15).json()["state"] for one in waiting} == {"succeeded"}


# --- jobs


def test_listing_filters_and_pages(api):
    asked = [api.ask(f"{n}?") for n in range(5)]
    api.http.post("/v1/documents", json={"text": "x", "collection": "other"})
    api.finish(asked[0])

    first = api.http.get("/v1/jobs", params={"kind": "query", "limit": 3}).json()
    rest = api.http.get("/v1/jobs", params={"kind": "query", "limit": 3, "cursor": first["next"]}).json()

    assert [job["id"] for job in first["items"] + rest["items"]] == asked[::-1]
    assert rest["next"] is None
    done = api.http.get("/v1/jobs", params={"state": "succeeded"}).json()["items"]
    assert [job["id"] for job in done] == [asked[0]]
    other = api.http.get("/v1/jobs", params={"collection": "other"}).json()["items"]
    assert [job["kind"] for job in other] == ["ingest"]


def test_several_kinds_are_listed_as_one(api):
    asked = [api.ask(f"{n}?") for n in range(4)]
    sent = [api.http.post("/v1/documents", json={"text": f"{n}"}).json()["job_id"] for n in range(3)]
    api.http.post("/v1/backups")

    pages, cursor = [], None
    while not pages or cursor:
        wanted = {"kind": ["query", "ingest"], "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.http.get("/v1/jobs", params=wanted).json()
        pages.append([job["id"] for job in page["items"]])
        cursor = page["next"]

    assert [job_id for page in pages for job_id in page] == sorted([*asked, *sent], reverse=True)
    assert [len(page) for page in pages if page] == [2, 2, 2, 1]


@pytest.mark.parametrize("params", [{"state": "odd"}, {"kind": "odd"}, {"limit": 0}, {"limit": 201}])
def test_wrong_filters_are_refused(api, params):
    assert is_problem(api.http.get("/v1/jobs", params=params), 422, "invalid-request")


def test_cancel_then_retry(api):
    job_id = api.ask()

    cancelled = api.http.delete(f"/v1/jobs/{job_id}")
    again = api.http.delete(f"/v1/jobs/{job_id}")
    retried = api.http.post(f"/v1/jobs/{job_id}/retry")

    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    assert cancelled.json()["finished_at"]
    assert is_problem(again, 409, "conflict")
    assert (retried.status_code, retried.json()["state"]) == (202, "queued")
    assert is_problem(api.http.post(f"/v1/jobs/{job_id}/retry"), 409, "conflict")


@pytest.mark.parametrize("path", ["/v1/jobs/nope", "/v1/jobs/%7Baegis%7D:x", "/v1/jobs/nope/events"])
def test_unknown_jobs(api, path):
    assert is_problem(api.http.get(path), 404, "not-found")


# --- events


def events_of(answer: httpx.Response) -> list[tuple[str, str, object]]:
    """(kind, id, data) of each event of a stream that has ended."""
    fields = [
        dict(line.split(": ", 1) for line in block.split("\n"))
        for block in answer.text.split("\n\n")
        if block
    ]
    return [(f["event"], f["id"], json.loads(f["data"])) for f in fields if "event" in f]


def test_events_come_as_they_happen_and_the_stream_ends(api):
    job_id = api.ask(stream=True)
    seen: list[str] = []
    with httpx.stream("GET", f"{api.url}/v1/jobs/{job_id}/events", timeout=20) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        lease = None
        for line in lines:
            if not line.startswith("event: "):
                continue
            seen.append(line.removeprefix("event: "))
            if seen == ["state"]:
                lease = api.begin(job_id)
            elif seen[-1] == "state" and lease is not None and "token" not in seen:
                api.parts.jobs.emit(lease, EventKind.TOKEN, {"text": "So"})
            elif seen[-1] == "token":
                api.parts.jobs.finish(lease, JobState.SUCCEEDED, result={"answer": "So."})

    assert seen == ["state", "state", "token", "state", "result"]


def test_events_of_a_finished_job_are_told_again_and_resume(api):
    job_id = api.ask()
    api.finish(job_id)
    path = f"/v1/jobs/{job_id}/events"

    all_of_them = events_of(api.http.get(path))
    first, last = all_of_them[0][1], all_of_them[-1][1]

    assert [kind for kind, *_ in all_of_them][-1] == "result"
    assert events_of(api.http.get(path, headers={"Last-Event-ID": first})) == all_of_them[1:]
    assert events_of(api.http.get(path, params={"last_event_id": first})) == all_of_them[1:]
    assert api.http.get(path, headers={"Last-Event-ID": last}).status_code == 204
    assert is_problem(api.http.get(path, headers={"Last-Event-ID": "x y"}), 422, "invalid-request")


def test_a_stream_ends_when_the_job_is_cancelled(api):
    job_id = api.ask()
    with ThreadPoolExecutor() as pool:
        stream = pool.submit(api.http.get, f"/v1/jobs/{job_id}/events")
        api.http.delete(f"/v1/jobs/{job_id}")
        events = events_of(stream.result(20))

    assert events[-1][0] == "state"
    assert events[-1][2]["state"] == "cancelled"


def test_nobody_listens_for_a_client_that_left(api):
    job_id = api.ask()
    with httpx.stream("GET", f"{api.url}/v1/jobs/{job_id}/events", timeout=20) as stream:
        lines = stream.iter_lines()  # kept: an iterator that is let go hangs up
        next(lines)
        assert api.parts.changes._count == 1

    deadline = time.monotonic() + 10
    while api.parts.changes._count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- what every answer has


def test_requests_carry_an_id(api):
    assert (
        api.http.get("/health/live", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    )
    assert api.http.get("/health/live", headers={"X-Request-ID": "a b"}).headers["x-request-id"] != "a b"
    assert api.http.get("/v1/jobs/nope").headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "no-such-path"),
        ("GET", "/v1/nowhere", 404, "no-such-path"),
        ("PATCH", "/v1/jobs", 405, "method-not-allowed"),
        ("GET", "/v1/queries", 405, "method-not-allowed"),
    ],
)
def test_what_is_not_there_is_a_problem(api, method, path, status, code):
    assert is_problem(api.http.request(method, path), status, code)


def the_only_job(api: Service) -> str:
    """The id of the job that is about to be accepted, once it is."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        window = api.parts.jobs.page(collections=None, cursor=None, limit=1)
        if window.items:
            assert window.items[0].stage is Stage.EMBED_QUERY
            return window.items[0].id
        time.sleep(0.01)
    raise AssertionError("no job was accepted")
