"""Requests that no honest client sends, over bare sockets, to the API as it is started for real."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.integration.apiprocess import Api, allow_files, is_open, received, send, started
from tests.integration.brokers import valkey_with

MIB = 1 << 20
FLAT = 40 * MIB  # what memory may vary by: allocators keep some
PROMPT = 10.0  # seconds for what takes milliseconds, on a machine that is busy with other tests
GET = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /v1/queries HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
QUESTION = b'{"question": "Why?"}'
UPLOAD = (
    b"POST /v1/documents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 1000000\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhalf'
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with (
        valkey_with("--appendonly", "yes", "--maxmemory-policy", "noeviction") as broker,
        started(broker, tmp_path_factory.mktemp("home")) as running,
    ):
        httpx.put(f"{running.url}/v1/collections/aegis_docs_v2").raise_for_status()
        running.accepts(within=60)  # everything is loaded
        yield running


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def ends(connection: socket.socket, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not is_open(connection):
            return True
        time.sleep(0.1)
    return False


def poured(api: Api, begin: bytes, piece: bytes, size: int) -> bytes:
    """The answer to ``begin`` and ``piece`` after ``piece``, up to ``size`` bytes."""
    with api.connect(begin) as connection:
        for _ in range(size // len(piece)):
            if not send(connection, piece):
                break
        return received(connection)


# --- heads


@pytest.mark.parametrize(
    ("begin", "piece", "expected"),
    [
        (GET, b"".join(b"X-%06d: %s\r\n" % (n, b"v" * 100) for n in range(600)), 431),
        (GET, b"x" * 65536, 431),
        (GET + b"X: ", b"v" * 65536, 431),
        (b"GET /", b"a" * 65536, 414),
        (b"", b"A" * 65536, 414),
    ],
    ids=["lines", "name", "value", "address", "method"],
)
def test_an_endless_head_is_refused_and_costs_nothing(api, begin, piece, expected):
    before = api.memory
    began = time.monotonic()

    answer = poured(api, begin, piece, 100 * MIB)

    assert status(answer) in (expected, 0)  # 0: cut off while it was still sending
    assert api.memory - before < FLAT
    assert httpx.get(f"{api.url}/health/live", timeout=PROMPT).status_code == 200
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (GET + b"".join(b"X-%d: v\r\n" % n for n in range(90)) + b"\r\n", 200),
        (GET + b"".join(b"X-%d: v\r\n" % n for n in range(101)) + b"\r\n", 431),
        (GET + b"X: " + b"v" * 33_000 + b"\r\n\r\n", 431),
        (b"GET /?" + b"a" * 8_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200),
        (b"GET /health/live?" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
    ],
)
def test_heads_within_bounds_are_served_and_others_told_why(api, sent, expected):
    answer = api.answer(sent)

    assert status(answer) == expected
    if expected != 200:
        assert b"application/problem+json" in answer
        assert b"connection: close" in answer


def test_an_endless_head_after_a_good_request_is_refused_too(api):
    with api.connect(GET + b"\r\n") as connection:
        assert status(received(connection)) == 200
        send(connection, GET + b"x" * 40_000)
        assert status(received(connection)) == 431


def test_a_head_that_comes_slowly_is_ended(api):
    began = time.monotonic()
    with api.connect(GET) as drip, api.connect() as silent, api.connect(GET + b"\r\n") as idle:
        while time.monotonic() - began < 60 and is_open(drip):
            send(drip, b"X: y\r\n")
            send(idle, b"\r\n")
            time.sleep(0.5)

        assert 8 < time.monotonic() - began < 40
        assert ends(silent, 30)
        assert ends(idle, 30)


# --- what two servers could read differently, and what is no HTTP


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (POST + b"Content-Length: 20\r\nContent-Length: 20\r\n\r\n" + QUESTION, 400),
        (POST + b"Content-Length: 20\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 20\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Content-Length: +20\r\n\r\n" + QUESTION, 400),
        (POST + b"Content-Length: 20, 20\r\n\r\n" + QUESTION, 400),
        (POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (GET + b"Host: b\r\n\r\n", 400),
        (GET + b"X: a\x00b\r\n\r\n", 400),
        (GET + b"X : a\r\n\r\n", 400),
        (GET + b"X: a\r\n b\r\n\r\n", 400),
        (GET + b"X: a\nY: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"NONSENSE / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"PROPFIND /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405),
        (b"POST /health/live HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health/live HTTP/1.0\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
        (GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n", 200),
    ],
)
def test_what_is_ambiguous_or_no_http_is_refused(api, sent, expected):
    answer = api.answer(sent)

    assert status(answer) == expected
    assert answer.count(b"HTTP/1.1 ") == 1


def test_what_follows_a_refused_body_is_no_request(api):
    """A server that answers before the body's end could take the rest of it for a request."""
    smuggled = GET + b"\r\n"
    answer = api.answer(
        b"POST /v1/nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (len(smuggled) + 10)
        + smuggled
    )

    assert status(answer) == 404
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer


def test_trailers_and_chunk_extensions_are_bounded(api):
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    before = api.memory

    extension = poured(api, head + b"1;", b"x" * 65536, 20 * MIB)
    trailers = poured(
        api, head + b"14\r\n" + QUESTION + b"\r\n0\r\n", b"X-T: " + b"x" * 1000 + b"\r\n", 20 * MIB
    )
    tiny = poured(api, head, b"1\r\n \r\n" * 1000, 5 * MIB)

    assert {status(answer) for answer in (extension, trailers, tiny)} <= {400, 413, 0}
    assert api.memory - before < FLAT


def test_a_trailer_adds_no_header(api):
    sent = (
        POST
        + b"Transfer-Encoding: chunked\r\n\r\n14\r\n"
        + QUESTION
        + b"\r\n0\r\nX-Request-ID: trailed\r\n\r\n"
    )

    answer = api.answer(sent)

    assert status(answer) == 202
    assert b"trailed" not in answer


def test_a_body_is_asked_for_only_when_it_is_wanted(api):
    expecting = POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with api.connect(expecting % len(QUESTION)) as wanted:
        assert received(wanted) == b"HTTP/1.1 100 Continue\r\n\r\n"
        send(wanted, QUESTION)
        assert status(received(wanted)) == 202
    with api.connect(expecting % (9 * MIB)) as too_long:
        answer = received(too_long)
        assert status(answer) == 413
        assert b"connection: close" in answer


# --- many requests and connections


def test_requests_sent_ahead_are_answered_in_order_and_kept_short(api):
    count = 3000
    before = api.memory
    requests = b"".join(GET + b"X-Request-ID: r%d\r\n\r\n" % n for n in range(count))

    with api.connect() as connection:
        sender = threading.Thread(target=send, args=(connection, requests))
        sender.start()
        answers = received(connection, silence=5)
        sender.join()

    ids = [line.split(b": ")[1] for line in answers.split(b"\r\n") if line.startswith(b"x-request-id: ")]
    assert ids == [b"r%d" % n for n in range(count)]
    assert api.memory - before < FLAT


@pytest.mark.parametrize("sent", [b"", GET, GET + b"\r\n", POST + b"Content-Length: 999\r\n"])
def test_thousands_of_idle_connections_keep_nobody_out(api, sent):
    allow_files(8192)
    before = api.memory
    with ExitStack() as stack:
        idle = [stack.enter_context(api.connect(sent)) for _ in range(3000)]
        api.accepts(within=PROMPT)

        assert sum(map(is_open, idle)) < 1000
        assert len(api.process.net_connections()) < 1200
        assert api.memory - before < FLAT


# --- bodies


@pytest.mark.parametrize("count", [60, 600])
def test_uploads_half_sent_keep_nobody_out(api, count):
    allow_files(8192)
    before = api.memory
    with ExitStack() as stack:
        half = [stack.enter_context(api.connect(UPLOAD)) for _ in range(count)]
        time.sleep(3)  # a slow body is known as one after two seconds
        for _ in range(5):
            api.accepts(within=PROMPT)

        assert any(map(is_open, half))
        assert api.memory - before < FLAT


def test_a_body_that_comes_slowly_is_ended(api):
    began = time.monotonic()
    with api.connect(UPLOAD) as upload, api.connect(POST + b"Content-Length: 100000\r\n\r\n") as question:
        while time.monotonic() - began < 90 and (is_open(upload) or is_open(question)):
            send(upload, b"x" * 100)
            send(question, b" ")
            time.sleep(0.25)

    assert 15 < time.monotonic() - began < 60


def posted(api: Api, path: str, content: bytes, **headers: str) -> httpx.Response:
    sent = {"Content-Type": "application/json", **headers}
    return httpx.post(f"{api.url}{path}", content=content, headers=sent, timeout=60)


NESTED = b'{"a":' * (9 * MIB)
WIDE = b'{"text": "x", "metadata": {"a": [' + b"{}," * (15 * MIB)


@pytest.mark.parametrize("content", [NESTED, WIDE, b"[" * (45 * MIB), b'{"text": "x", "metadata": ' + NESTED])
def test_a_huge_structure_is_refused_before_it_is_built(api, content):
    before, stop, waits = api.memory, threading.Event(), []

    def look() -> None:
        with httpx.Client(base_url=api.url, timeout=PROMPT) as http:
            while not stop.is_set():
                began = time.monotonic()
                http.get("/health/live").raise_for_status()
                waits.append(time.monotonic() - began)
                time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    answer = posted(api, "/v1/documents", content)
    stop.set()
    watcher.join()

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:aegis:problem:invalid-request"
    assert max(waits) < PROMPT / 2
    assert api.memory - before < FLAT


@pytest.mark.parametrize(
    "path", ["/v1/queries", "/v1/backups", "/v1/backups/x/restore", "/v1/dead-letters/replay"]
)
def test_no_other_call_takes_a_long_or_deep_body(api, path):
    assert posted(api, path, b" " * 200_000).status_code == 413
    assert posted(api, path, b'{"a":' * 1000).status_code == 422
    assert posted(api, path, b"{}", **{"Content-Type": "text/plain"}).status_code == 415


def test_a_field_of_a_form_is_bounded_and_weighed(api):
    def form(**fields: str) -> httpx.Response:
        return httpx.post(f"{api.url}/v1/documents", files={"file": ("a.txt", b"a")}, data=fields, timeout=60)

    assert form(metadata="[" * 60_000).status_code == 422
    assert form(metadata='{"a": "%s"}' % ("x" * 70_000)).status_code == 413
    assert form(title="x" * (9 * MIB)).status_code == 413
    assert form(metadata=json.dumps({"lang": "en"})).status_code == 202


@pytest.mark.parametrize("content", [b"\r\n" * (20 * MIB), b"\r" * (40 * MIB), b"\r\n--b" * (8 * MIB)])
def test_a_form_that_is_hard_to_read_freezes_nobody(api, content):
    headers = {"Content-Type": "multipart/form-data; boundary=b" + "b" * 60}
    body = (
        b"--b"
        + b"b" * 60
        + b'\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + content
    )
    before = api.memory
    with ThreadPoolExecutor() as pool:
        upload = pool.submit(posted, api, "/v1/documents", body, **headers)
        while not upload.done():
            began = time.monotonic()
            httpx.get(f"{api.url}/health/live", timeout=PROMPT).raise_for_status()
            assert time.monotonic() - began < PROMPT / 2

    assert upload.result().status_code in (400, 413, 422)
    assert api.memory - before < FLAT


def test_a_long_text_is_not_held_as_a_whole(api):
    text = "The lamp is grün. " * 1_500_000
    before, peak, stop = api.memory, 0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not stop.is_set():
            peak = max(peak, api.memory)
            time.sleep(0.01)

    watcher = threading.Thread(target=look)
    watcher.start()
    answer = posted(api, "/v1/documents", json.dumps({"text": text}).encode())
    stop.set()
    watcher.join()

    assert answer.status_code == 202
    assert peak - before < 3 * FLAT
