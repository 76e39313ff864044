"""The OpenAI client against a server that follows a script."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from rag.errors import AegisError, ModelError, Overloaded, TimedOut, Unavailable
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import GenerationRequest
from workers.generation.chat import ChatServer
from workers.generation.openai import OpenAIGenerator

TEXT = "The Eiffel Tower was completed in 1889."


@dataclass
class Script:
    """What the server does with the next completions, and what it saw."""

    answers: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    models: tuple[str, ...] = ("tiny",)
    bodies: list[dict[str, object]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        body = json.dumps({"data": [{"id": name} for name in self.script.models]}).encode()
        status(200, body)(self)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.script.bodies.append(json.loads(body))
        self.script.keys.append(self.headers.get("Authorization"))
        self.script.answers.pop(0)(self)

    def log_message(self, *args: object) -> None: ...


def status(
    code: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def stream(*pieces: str, end: str = "data: [DONE]\n\n") -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(chunk(piece).encode())
        handler.wfile.write(end.encode())

    return answer


def chunk(piece: str | None) -> str:
    return f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n"


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Scripted", (Handler,), {"script": made}))
    made.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.hung_up.set()
    server.shutdown()
    thread.join()
    server.server_close()


def request(
    emit: Callable[[str], None] = lambda piece: None, cancelled: Callable[[], bool] = lambda: False
) -> GenerationRequest:
    hit = Hit(Passage("c", "d", 1, 0, TEXT, "Tower", 0, len(TEXT)), 0.9)
    query = Embedding(np.zeros(4, np.float32))
    return GenerationRequest("When?", query, (Candidate(hit),), emit, cancelled)


def test_a_streamed_answer_is_cited(script: Script) -> None:
    pieces: list[str] = []
    script.answers.append(stream("In ", "18", "89 [", "1]", "."))

    answer = OpenAIGenerator(ChatServer(script.url, "tiny", lambda: "secret", max_tokens=77)).answer(
        request(pieces.append)
    )

    assert answer.text == "".join(pieces) == "In 1889 [1]."
    assert [c.text for c in answer.citations] == [TEXT]
    assert script.keys == ["Bearer secret"]
    assert script.bodies[0] | {"messages": 0} == {
        "model": "tiny",
        "messages": 0,
        "temperature": 0,
        "max_tokens": 77,
        "stream": True,
    }


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (status(400, b'{"error": {"message": "too odd"}}'), ModelError, "too odd"),
        (status(401), ModelError, "GENERATOR_API_KEY"),
        (status(404, b'{"error": "no such model"}'), ModelError, "no such model"),
        (status(413), ModelError, "GENERATOR_CONTEXT_TOKENS"),
        (status(418), ModelError, "418"),
        (status(302, headers={"Location": "/elsewhere"}), ModelError, "302"),
        (status(429, headers={"Retry-After": "17"}), Overloaded, "429"),
        (status(503, headers={"Retry-After": "17"}), Unavailable, "503"),
        (status(599, b"<html>" * 999, {"Retry-After": "17"}), Unavailable, "599"),
        (stream(end="data: {oops\n\n"), ModelError, "something other"),
        (stream(end='data: {"error": {"code": 400, "message": "bad"}}\n\n'), ModelError, "bad"),
        (stream("A ", "shown ", "piece", end=""), Unavailable, "broke off"),
        (stream("<think>hm"), ModelError, "GENERATOR_MAX_TOKENS"),
    ],
)
def test_failures_become_named_errors(
    script: Script, answer: Callable[[BaseHTTPRequestHandler], None], error: type[AegisError], words: str
) -> None:
    script.answers.append(answer)

    with pytest.raises(error, match=words) as raised:
        OpenAIGenerator(ChatServer(script.url, "tiny")).answer(request())

    assert script.url in str(raised.value) or words == "GENERATOR_MAX_TOKENS"
    assert len(str(raised.value)) < 500
    if (
        isinstance(raised.value, Unavailable | Overloaded)
        and "Retry-After" not in words
        and "broke" not in words
    ):
        assert raised.value.retry_after == 17


def test_retry_after_may_be_a_date(script: Script) -> None:
    script.answers.append(status(429, headers={"Retry-After": formatdate(time.time() + 60, usegmt=True)}))

    with pytest.raises(Overloaded) as raised:
        OpenAIGenerator(ChatServer(script.url, "tiny")).answer(request())

    assert raised.value.retry_after == pytest.approx(60, abs=5)


def test_a_short_hiccup_is_tried_again_before_anything_was_shown(script: Script) -> None:
    pieces: list[str] = []
    script.answers += [status(500), stream("In", end=""), stream("In ", "1889 [1].")]

    answer = OpenAIGenerator(ChatServer(script.url, "tiny")).answer(request(pieces.append))

    assert answer.text == "".join(pieces) == "In 1889 [1]."
    assert len(script.bodies) == 3


def test_cancelling_closes_the_stream_within_a_second(script: Script) -> None:
    shown = threading.Event()

    def forever(handler: BaseHTTPRequestHandler) -> None:
        stream("First words ", "here ", end="")(handler)
        while not script.hung_up.wait(0.05):
            try:
                handler.wfile.write(b": ping\n\n")
            except OSError:
                script.hung_up.set()

    script.answers.append(forever)
    began: list[float] = []

    def cancelled() -> bool:
        if shown.is_set() and not began:
            began.append(time.monotonic())
        return shown.is_set()

    answer = OpenAIGenerator(ChatServer(script.url, "tiny")).answer(
        request(lambda piece: shown.set(), cancelled)
    )

    assert script.hung_up.wait(1.0)
    assert time.monotonic() - began[0] < 1.0
    assert answer.text.startswith("First words")


def test_a_silent_server_times_out(script: Script) -> None:
    script.answers.append(lambda handler: script.hung_up.wait(10) and None)

    with pytest.raises(TimedOut):
        OpenAIGenerator(ChatServer(script.url, "tiny", timeout=0.3)).answer(request())


def test_nobody_there() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1/v1"):
        OpenAIGenerator(ChatServer("http://127.0.0.1:1/v1", "tiny")).warm()


def test_warm_checks_that_the_model_is_there(script: Script) -> None:
    script.models = ("one:latest", "two")

    OpenAIGenerator(ChatServer(script.url, "two")).warm()
    OpenAIGenerator(ChatServer(script.url, "one")).warm()
    with pytest.raises(ModelError, match="one:latest, two; not three"):
        OpenAIGenerator(ChatServer(script.url, "three")).warm()
    with pytest.raises(ModelError, match="GENERATOR_MODEL"):
        OpenAIGenerator(ChatServer(script.url)).warm()


def test_the_only_model_needs_no_name(script: Script) -> None:
    script.answers.append(stream("Yes [1]."))
    generator = OpenAIGenerator(ChatServer(script.url))

    generator.warm()
    generator.answer(request())

    assert script.bodies[0]["model"] == "tiny"
