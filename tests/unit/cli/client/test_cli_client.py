"""The command line's client: what it sends, what it makes of answers, what it tries again."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from httpx._multipart import FileField

from cli.client import connection
from cli.client.client import Client
from cli.client.problems import NotAegisError, error_of
from rag.errors import (
    AegisError,
    ConfigurationError,
    InvalidRequest,
    Overloaded,
    Transient,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)

QUEUED = {"state": "queued"}
Handler = Callable[[httpx.Request], httpx.Response]


def _below(kind: type[Transient]) -> Iterator[type[Transient]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


TRANSIENT = [kind for kind in _below(Transient) if "code" in vars(kind)]


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    naps: list[float] = []

    def slept(_client: Client, seconds: float) -> bool:
        naps.append(seconds)
        return False

    monkeypatch.setattr(Client, "sleep", slept)
    return naps


def _client(*answers: httpx.Response | Handler, key: str | None = None) -> tuple[Client, list[httpx.Request]]:
    """A client of a server that gives these answers in turn, and what it was sent."""
    requests: list[httpx.Request] = []
    coming: Iterator[httpx.Response | Handler] = iter(answers)

    def serve(request: httpx.Request) -> httpx.Response:
        request.read()
        requests.append(request)
        answer = next(coming)
        return answer if isinstance(answer, httpx.Response) else answer(request)

    return Client("http://api.test/", key, transport=httpx.MockTransport(serve)), requests


def _problem(status: int, code: str, detail: str, **headers: str) -> httpx.Response:
    body = {"type": f"urn:aegis:problem:{code}", "title": "No", "status": status, "detail": detail}
    return httpx.Response(status, json=body, headers=headers)


def test_a_document_is_sent_with_its_id_and_an_idempotency_key(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("# Hello")
    client, requests = _client(httpx.Response(202, json={"job_id": "1"}), key="secret")

    assert client.ingest(file, "guide/a.md", "handbook") == {"job_id": "1"}

    sent = requests[0]
    assert (sent.method, sent.url.path) == ("POST", "/v1/documents")
    assert sent.headers["Authorization"] == "Bearer secret"
    assert sent.headers["Idempotency-Key"]
    assert b"guide/a.md" in sent.content
    assert b"handbook" in sent.content
    assert b"# Hello" in sent.content


def test_a_full_queue_is_waited_for_and_the_same_bytes_are_sent_again(
    tmp_path: Path, naps: list[float]
) -> None:
    file = tmp_path / "a.md"
    file.write_text("# Hello")
    full = _problem(429, "overloaded", "full", **{"Retry-After": "7"})
    client, requests = _client(full, httpx.Response(202, json={"job_id": "1"}))

    client.ingest(file, "a.md")

    assert naps == [7.0]
    assert b"# Hello" in requests[1].content
    assert requests[0].headers["Idempotency-Key"] == requests[1].headers["Idempotency-Key"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "Mon, 30 Nov 2026 12:00:09 GMT", "Date": "Mon, 30 Nov 2026 12:00:00 GMT"}, 9.0),
        ({"Retry-After": "Monday, 30-Nov-26 12:00:09 GMT", "Date": "Mon, 30 Nov 2026 12:00:00 GMT"}, 9.0),
        ({"Retry-After": "Mon, 30 Nov 2026 11:00:00 GMT", "Date": "Mon, 30 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"Retry-After": "Mon, 30 Nov 2020 12:00:00 GMT"}, 0.0),
        ({"Retry-After": "0"}, 0.0),
    ],
)
def test_a_call_is_put_off_by_seconds_or_until_a_date(
    naps: list[float], headers: dict[str, str], seconds: float
) -> None:
    client, _ = _client(_problem(429, "overloaded", "full", **headers), httpx.Response(200, json=QUEUED))

    client.job("1")

    assert naps == [seconds]


@pytest.mark.parametrize(
    "told",
    ["soon", "-5", "1.5", "٣", "Mon, 99 Nov 2026 99:00:00 GMT", f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT", ""],
)
def test_a_time_to_come_back_that_nobody_can_read_is_none(told: str) -> None:
    error = error_of(httpx.Response(503, headers=[(b"Retry-After", told.encode())]))

    assert isinstance(error, Unavailable)
    assert error.retry_after is None


@pytest.mark.parametrize("status", [301, 403, 404, 413, 415, 422, 418, 500, 501])
def test_a_page_of_another_server_is_no_word_of_the_api(status: int) -> None:
    error = error_of(httpx.Response(status, text="<html>nginx</html>"))

    assert f"HTTP {status}" in str(error)
    assert "proxy" in str(error)


def test_an_answer_that_is_no_json_is_said(naps: list[float]) -> None:
    client, _ = _client(httpx.Response(200, text="<html>welcome</html>"))

    with pytest.raises(AegisError, match="not as Aegis does"):
        client.job("1")


CALLS: dict[str, Callable[[Client], object]] = {
    "job": lambda client: client.job("1"),
    "jobs": lambda client: list(client.all_jobs()),
    "a question": lambda client: client.ask("Why?"),
    "cancel": lambda client: client.cancel("1"),
    "document": lambda client: client.document("a.md"),
    "collection": lambda client: client.collection("handbook"),
    "a dead letter": lambda client: client.dead_letter("1"),
    "drop": lambda client: client.drop_all(),
    "a key": lambda client: client.make_key(name="a"),
    "health": lambda client: client.health(),
    "readiness": lambda client: client.readiness(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("answer", [{}, [], None, "ok", 1, {"items": 5, "next": None}])
def test_json_of_another_server_is_no_answer(answer: object, call: Callable[[Client], object]) -> None:
    client, _ = _client(httpx.Response(200, json=answer))

    with pytest.raises(NotAegisError, match="not as Aegis does"):
        call(client)


def test_an_error_in_json_of_another_server_is_a_strangers() -> None:
    error = error_of(httpx.Response(404, json={"detail": "Not Found", "type": "about:blank"}))

    assert isinstance(error, NotAegisError)
    assert "Not Found" not in str(error)


@pytest.mark.parametrize("data", ["<html>", "[]", "null"])
def test_a_strangers_events_are_no_events(data: str) -> None:
    client, _ = _client(httpx.Response(200, text=f"event: state\ndata: {data}\n\n"))

    with pytest.raises(NotAegisError):
        list(client.events("1"))


def test_a_full_queue_is_waited_for_longer_than_a_part_that_is_away(naps: list[float]) -> None:
    away = _problem(503, "unavailable", "away", **{"Retry-After": "600"})
    full = _problem(429, "overloaded", "full", **{"Retry-After": "600"})
    client, _ = _client(full, httpx.Response(200, json={"state": "queued"}), away)

    assert client.job("1") == {"state": "queued"}
    with pytest.raises(Unavailable):
        client.job("1")

    assert naps == [600.0]


@pytest.mark.parametrize("kind", sorted(TRANSIENT, key=lambda kind: kind.code))
def test_every_transient_error_ends_a_call_as_itself(kind: type[Transient]) -> None:
    client, _ = _client(_problem(503, kind.code, "later", **{"Retry-After": "3601"}))

    with pytest.raises(kind, match="later"):
        client.job("1")


def test_a_full_disk_is_waited_for_as_long_as_a_full_queue(naps: list[float]) -> None:
    full = _problem(503, "no-room", "the disk is full", **{"Retry-After": "600"})
    client, _ = _client(full, httpx.Response(200, json={"state": "queued"}))

    assert client.job("1") == {"state": "queued"}
    assert naps == [600.0]


def test_a_stopped_client_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    client, requests = _client(_problem(429, "overloaded", "full", **{"Retry-After": "600"}))
    client.stop()

    with pytest.raises(Overloaded):
        client.job("1")

    assert len(requests) == 1


def test_patience_ends(naps: list[float]) -> None:
    client, _ = _client(_problem(429, "overloaded", "full", **{"Retry-After": "100000"}))

    with pytest.raises(Overloaded, match="full"):
        client.job("1")

    assert naps == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_problem(401, "unauthenticated", "Send a key"), Unauthenticated),
        (_problem(415, "unsupported-media", "No parser"), UnsupportedMedia),
        (httpx.Response(502, text="<html>proxy</html>"), Unavailable),
        (httpx.Response(418, text="teapot"), NotAegisError),
    ],
)
def test_problems_become_the_errors_they_name(answer: httpx.Response, kind: type[AegisError]) -> None:
    client, _ = _client(answer)

    with pytest.raises(AegisError) as raised:
        client.job("1")

    assert type(raised.value) is kind


def test_certificates_are_checked_wherever_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: dict[str, bool] = {}
    real = httpx.Client

    def client(**options: Any) -> httpx.Client:
        checked[options["base_url"]] = options["verify"] is not False
        return real(**options)

    monkeypatch.setattr(httpx, "Client", client)
    for url in ("https://api.test", "HTTPS://api.test", "http://api.test"):
        Client(url, transport=httpx.MockTransport(lambda _: httpx.Response(200)))

    assert checked == {"https://api.test": True, "HTTPS://api.test": True, "http://api.test": False}


def test_a_refused_key_is_said_with_where_it_comes_from() -> None:
    client, _ = _client(_problem(401, "unauthenticated", "Send a key"))

    with pytest.raises(Unauthenticated, match=r"Send a key.*API_KEY"):
        client.job("1")


def test_an_api_that_is_away_is_said_with_what_to_do() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    client, _ = _client(refuse)
    with pytest.raises(Unavailable, match=r"http://api\.test \(is that its address\?\)"):
        client.job("1")

    here = Client("http://127.0.0.1:8910", transport=httpx.MockTransport(refuse))
    with pytest.raises(Unavailable, match="aegis up"):
        here.job("1")


@pytest.mark.parametrize("fresh", [False, True])
def test_a_question_can_ask_past_the_caches(fresh: bool) -> None:
    client, requests = _client(httpx.Response(202, json={"job_id": "1"}))

    client.ask("Why?", fresh=fresh)

    asked = {"question": "Why?", "stream": True}
    assert json.loads(requests[0].content) == (asked | {"cache": False} if fresh else asked)


def test_documents_are_listed_over_all_pages() -> None:
    first = httpx.Response(200, json={"items": [{"document_id": "a"}], "next": "c1"})
    second = httpx.Response(200, json={"items": [{"document_id": "b"}], "next": None})
    client, requests = _client(first, second)

    assert [d["document_id"] for d in client.documents("handbook")] == ["a", "b"]
    assert requests[1].url.params["cursor"] == "c1"


def test_dead_letters_are_listed_over_all_pages_of_what_is_wanted() -> None:
    first = httpx.Response(200, json={"items": [{"id": "a"}], "next": "c1"})
    second = httpx.Response(200, json={"items": [{"id": "b"}], "next": None})
    client, requests = _client(first, second)

    assert [d["id"] for d in client.dead_letters("crashed")] == ["a", "b"]
    assert dict(requests[0].url.params) == {"limit": "100", "reason": "crashed"}
    assert requests[1].url.params["cursor"] == "c1"


def test_dropping_all_says_so_and_dropping_some_does_not() -> None:
    client, requests = _client(*(httpx.Response(202, json={"dropped": n}) for n in (2, 1)))

    assert (client.drop_all(), client.drop_all("crashed", "handbook")) == (2, 1)

    assert dict(requests[0].url.params) == {"all": "true"}
    assert dict(requests[1].url.params) == {"reason": "crashed", "collection": "handbook"}


def test_an_id_stays_within_its_path() -> None:
    client, requests = _client(httpx.Response(202, json=QUEUED))

    client.drop("../x?all=true")

    assert requests[0].url.raw_path == b"/v1/dead-letters/..%2Fx%3Fall%3Dtrue"


def test_a_job_is_followed_to_its_end() -> None:
    running = httpx.Response(200, json={"state": "running"})
    client, requests = _client(running, running, httpx.Response(200, json={"state": "dead"}))

    assert client.wait_for_job("1")["state"] == "dead"
    assert len(requests) == 3


def test_a_broken_event_stream_is_taken_up_after_the_last_event() -> None:
    def breaking(_request: httpx.Request) -> httpx.Response:
        def body() -> Iterator[bytes]:
            yield _event("1-1", "token", {"text": "Hel"})
            raise httpx.ReadError("cut")

        return httpx.Response(200, content=body())

    rest = (
        _event("1-2", "token", {"text": "lo"}) + b": ping\n\n" + _event("1-3", "result", {"answer": "Hello"})
    )
    client, requests = _client(breaking, httpx.Response(200, content=rest))

    events = list(client.events("1"))

    assert events == [("token", {"text": "Hel"}), ("token", {"text": "lo"}), ("result", {"answer": "Hello"})]
    assert "Last-Event-ID" not in requests[0].headers
    assert requests[1].headers["Last-Event-ID"] == "1-1"


def test_a_stream_that_ends_early_is_taken_up_until_all_is_told(naps: list[float]) -> None:
    begun = httpx.Response(200, content=_event("1-1", "state", {"state": "running"}) + b": ping\n\n")
    silent = httpx.Response(200, content=b": ping\n\n")
    client, requests = _client(begun, silent, silent, httpx.Response(204))

    assert list(client.events("1")) == [("state", {"state": "running"})]

    assert [request.headers.get("Last-Event-ID") for request in requests] == [None, "1-1", "1-1", "1-1"]
    assert naps == [1.0, 2.0, 4.0]


def test_a_cancelled_job_has_no_more_events() -> None:
    client, requests = _client(httpx.Response(200, content=_event("1-1", "state", {"state": "cancelled"})))

    assert [data["state"] for _, data in client.events("1")] == ["cancelled"]
    assert len(requests) == 1


def test_an_api_that_is_away_is_waited_for_as_long_as_a_restart_may_take(
    naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = 3600.0
    clock = [0.0]
    monkeypatch.setattr(connection, "monotonic", lambda: clock[0] + sum(naps))

    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    def after_hours(_request: httpx.Request) -> httpx.Response:
        clock[0] += 3 * hours
        return httpx.Response(200, content=_event("1-1", "state", {"state": "running"}))

    client, _ = _client(refuse, refuse, after_hours, *[refuse] * 40)

    with pytest.raises(Unavailable, match="refused"):
        list(client.events("1"))

    since = naps[2:]
    assert 250 < sum(since) <= 300
    assert max(since) == 16.0


def test_a_job_is_waited_for_over_a_restart_of_the_api(naps: list[float]) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    running, ended = (httpx.Response(200, json={"state": state}) for state in ("running", "succeeded"))
    client, requests = _client(running, refuse, refuse, running, refuse, ended)

    assert client.wait_for_job("1")["state"] == "succeeded"
    assert len(requests) == 6
    assert naps == [1.0, 2.0, 1.0]


def test_a_refused_event_stream_is_asked_for_again_when_it_says(naps: list[float]) -> None:
    full = _problem(429, "overloaded", "too many requests", **{"Retry-After": "9"})
    result = httpx.Response(200, content=_event("1-1", "result", {"answer": "Hello"}))
    client, _ = _client(full, result)

    assert list(client.events("1")) == [("result", {"answer": "Hello"})]
    assert naps == [9.0]


def _event(number: str, kind: str, data: dict[str, str]) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_stack_on_this_machine_is_asked_without_the_proxy_of_the_shell(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")

    with Client(f"http://{host}:8910") as client, Client("http://api.test") as far:
        direct, proxied = client._http, far._http
        assert direct._transport_for_url(httpx.URL(f"http://{host}:8910/v1/jobs")) is direct._transport
        assert proxied._transport_for_url(httpx.URL("http://api.test/v1/jobs")) is not proxied._transport


class _Taker(BaseHTTPRequestHandler):
    """Takes a document and notes its bytes."""

    taken: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = b'{"job_id": "1"}'
        self.send_response(202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def taker() -> Iterator[Client]:
    """A client of a server at a real socket."""
    _Taker.taken.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Taker) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}") as client:
            yield client
        server.shutdown()
        thread.join()


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], Path]:
    """A file to which something is done once its length is told and before it is read."""

    def prepare(change: Callable[[Path], None]) -> Path:
        file = tmp_path / "a.md"
        file.write_bytes(b"x" * 200_000)
        rendered = FileField.render_data

        def render(part: FileField) -> Iterator[bytes]:
            change(file)
            return rendered(part)

        monkeypatch.setattr(FileField, "render_data", render)
        return file

    return prepare


def test_of_a_file_that_grows_while_it_is_sent_as_much_is_sent_as_there_was(
    taker: Client, changed: Callable[[Callable[[Path], None]], Path]
) -> None:
    file = changed(lambda path: path.write_bytes(b"x" * 200_000 + b"y" * 100_000))

    assert taker.ingest(file, "a.md") == {"job_id": "1"}
    assert _Taker.taken[0].count(b"x" * 200_000) == 1
    assert b"yyy" not in _Taker.taken[0]


def test_a_file_that_shrinks_while_it_is_sent_is_not_readable(
    taker: Client, changed: Callable[[Callable[[Path], None]], Path]
) -> None:
    file = changed(lambda path: path.write_bytes(b"x" * 1000))

    with pytest.raises(OSError, match="shorter while it was sent"):
        taker.ingest(file, "a.md")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://proxy.test"),
        ("all_proxy", "socks5h://proxy.test:1080"),
        ("HTTP_PROXY", "ftp://proxy.test"),
        ("HTTP_PROXY", "http://a..b:1"),
        ("HTTPS_PROXY", "http://☃.☃☃"),
        ("http_proxy", "http://proxy.test:port"),
        ("NO_PROXY", "http://☃.☃☃"),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_FILE", __file__),
    ],
)
def test_a_variable_that_no_call_can_use_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=name):
        Client("https://api.test")


@pytest.mark.parametrize("url", ["http://☃.☃☃", "http://a..b", "http://a b", "http://xn--a"])
def test_an_address_that_no_call_can_use_is_told_with_what_named_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="AEGIS_URL"):
        Client(url, source="AEGIS_URL")


def test_this_machine_is_reached_whatever_proxy_is_set(
    taker: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.md").write_text("text")
    for name in ("ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "socks5://proxy.test")

    with Client(taker.url) as client:
        assert client.ingest(tmp_path / "a.md", "a.md") == {"job_id": "1"}


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.document("caf\udce9"),
        lambda client: client.ask("caf\udce9"),
        lambda client: list(client.documents("caf\udce9")),
        lambda client: client.make_key(name="caf\udce9"),
    ],
)
def test_what_is_no_utf_8_is_refused_in_one_line(call: Callable[[Client], object]) -> None:
    client, requests = _client()

    with pytest.raises(InvalidRequest, match="no UTF-8"):
        call(client)
    assert requests == []


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_to_another_address_is_refused(name: str) -> None:
    client, requests = _client()

    for call in (client.document, client.collection, client.make_collection, client.delete_collection):
        with pytest.raises(InvalidRequest, match="names nothing"):
            call(name)
    assert requests == []
