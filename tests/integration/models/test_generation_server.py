"""The OpenAI client against a server that follows a script."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import numpy as np
import pytest

from rag.errors import AegisError, ModelError, Overloaded, TimedOut, Unavailable
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import GenerationRequest
from rag.settings import Settings
from tests.integration.modelserver import Answer, Script, chunk, scripted, stalling, status, stream
from workers.generation.chat import ChatServer
from workers.generation.openai import OpenAIGenerator, generator

TEXT = "The Eiffel Tower was completed in 1889."


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted() as made:
        yield made


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
    script: Script, answer: Answer, error: type[AegisError], words: str
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


STALLS = {
    "before it answers": b"",
    "before the first word": b"HTTP/1.0 200 OK\r\n\r\n",
    "in the middle of a line": b'HTTP/1.0 200 OK\r\n\r\ndata: {"choi',
    "after some words": f"HTTP/1.0 200 OK\r\n\r\n{chunk('First words ')}{chunk('here ')}".encode(),
    "while it thinks": f"HTTP/1.0 200 OK\r\n\r\n{chunk('<think>Hm, ')}".encode(),
}


@pytest.mark.parametrize("stall", STALLS)
def test_cancelling_a_server_that_says_nothing_more_closes_the_connection_within_a_second(
    script: Script, stall: str
) -> None:
    made = generator(Settings(generator="openai", generator_url=script.url, generator_model="tiny"))
    script.answers.append(stalling(script, STALLS[stall]))
    asked: list[float] = []

    def cancelled() -> bool:
        if script.stalled.is_set():
            asked.append(time.monotonic())
        return len(asked) > 1

    answer = made.answer(request(cancelled=cancelled))

    assert time.monotonic() - asked[1] < 1.0
    assert script.hung_up.wait(1.0)
    assert answer.text == ("First words here" if stall == "after some words" else "")


def test_cancelling_does_not_wait_for_a_name_to_be_found(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, found = threading.Event(), threading.Event()

    def lookup(*_args: object, **_kwargs: object) -> list[object]:
        looking.set()
        found.wait(10)
        return []

    generator = OpenAIGenerator(ChatServer(script.url.replace("127.0.0.1", "localhost")))
    generator.warm()
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    asked: list[float] = []

    def cancelled() -> bool:
        if looking.is_set():
            asked.append(time.monotonic())
        return bool(asked)

    generator.answer(request(cancelled=cancelled))
    ended = time.monotonic()
    found.set()

    assert ended - asked[0] < 1.0


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own_is_kept_apart(script: Script, field: str) -> None:
    pieces: list[str] = []
    thoughts = json.dumps({"choices": [{"delta": {field: "Hm, 1889.", "content": None}}]})
    script.answers.append(stream(end=f"data: {thoughts}\n\n{chunk('In 1889 [1].')}data: [DONE]\n\n"))

    answer = OpenAIGenerator(ChatServer(script.url, "tiny")).answer(request(pieces.append))

    assert answer.text == "".join(pieces) == "In 1889 [1]."
    assert answer.reasoning == "Hm, 1889."


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
