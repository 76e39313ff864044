"""Ollama's generator on servers that follow a script: several, failing, thinking, slow."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from rag.errors import AegisError, InvalidRequest, ModelError, Overloaded, TimedOut, Unavailable
from rag.redis.slots import Slots
from tests.integration.modelserver import Answer, Script, stalling, status
from tests.integration.ollamascript import (
    NOBODY,
    TEXT,
    generator,
    lines,
    refused,
    request,
    said,
    two_servers,
    words,
)
from tests.system.running import until
from workers.generation import ollama


@pytest.fixture
def scripts() -> Iterator[list[Script]]:
    with two_servers() as servers:
        yield servers


@pytest.fixture
def one(scripts: list[Script]) -> Script:
    return scripts[0]


def used(client: redis.Redis) -> int:
    return sum(client.zcard(key) for key in client.keys("{aegis}:slots:*"))


def test_a_streamed_answer(redis_client: redis.Redis, one: Script) -> None:
    pieces: list[str] = []
    one.answers.append(said("In ", "18", "89 [", "1]", "."))

    answer = generator(redis_client, one.url).answer(request(pieces.append))

    assert answer.text == "".join(pieces) == "In 1889 [1]."
    assert [c.text for c in answer.citations] == [TEXT]
    assert one.bodies[0]["options"] == {"num_ctx": 2048, "num_predict": 100, "temperature": 0.0}
    assert one.bodies[0]["keep_alive"] == "24h"
    assert used(redis_client) == 0


@pytest.mark.parametrize(
    "answer",
    [
        lines(words(thinking="Hm, "), words(thinking="1889?"), words("In 1889 [1]."), words(done=True)),
        said("<thi", "nk>Hm, 18", "89?</th", "ink>In 1889 [1]."),
        said("Okay, 18", "89?</thi", "nk>\n\nIn 1889 [1]."),
    ],
)
def test_reasoning_is_kept_apart(redis_client: redis.Redis, one: Script, answer: Answer) -> None:
    pieces: list[str] = []
    one.answers.append(answer)

    given = generator(redis_client, one.url).answer(request(pieces.append))

    assert given.text == "".join(pieces) == "In 1889 [1]."
    assert given.reasoning.endswith("1889?")


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (refused(400, '"tiny" does not support chat'), ModelError, "does not support chat"),
        (refused(401, "unauthorized"), ModelError, "OLLAMA_API_KEY"),
        (refused(404, "model 'tiny' not found"), ModelError, "ollama pull"),
        (refused(500, "model requires more system memory"), Unavailable, "more system memory"),
        (refused(503, "server busy"), Overloaded, "server busy"),
        (status(302, headers={"Location": "/elsewhere"}), ModelError, "302"),
        (status(200, b"<html>"), ModelError, "Expecting value"),
        (lines('{"error": "the runner has crashed"}\n'), Unavailable, "the runner has crashed"),
        (lines('{"message": "odd"}\n'), ModelError, "ChatResponse"),
        (lines(words("A shown piece, broken ")), Unavailable, "broke off"),
        (lines(words(thinking="Hm"), words(done=True, reason="length")), ModelError, "GENERATOR_MAX_TOKENS"),
    ],
)
def test_failures_become_named_errors(
    redis_client: redis.Redis, one: Script, answer: Answer, error: type[AegisError], told: str
) -> None:
    one.answers += [answer] * 3

    with pytest.raises(error, match=told):
        generator(redis_client, one.url).answer(request())

    assert used(redis_client) == 0


def test_a_question_longer_than_the_context(redis_client: redis.Redis, one: Script) -> None:
    with pytest.raises(InvalidRequest, match="OLLAMA_MAX_CONTEXT"):
        generator(redis_client, one.url).answer(request(question="x" * 13_000))


@pytest.mark.parametrize(
    "broken",
    [
        refused(500, "crashed"),
        lines(words(thinking="Hm")),
        status(200),
        refused(404, "model 'tiny' not found"),
        refused(503, "server busy"),
    ],
)
def test_a_replica_that_breaks_before_the_first_word_is_ridden_out_and_left_alone(
    redis_client: redis.Redis, scripts: list[Script], broken: Answer
) -> None:
    breaking, whole = scripts
    breaking.answers.append(broken)
    whole.answers += [said("In 1889 [1].")] * 3
    Slots(redis_client, [whole.url], 2).take("another worker, so that the other one is asked first")

    answers = [generator(redis_client, breaking.url, whole.url).answer(request()).text for _ in range(3)]

    assert answers == ["In 1889 [1]."] * 3
    assert (len(breaking.bodies), len(whole.bodies)) == (1, 3)


def test_nobody_at_an_address_is_ridden_out(redis_client: redis.Redis, one: Script) -> None:
    one.answers += [said("Yes [1].")] * 3

    answers = [generator(redis_client, NOBODY, one.url).answer(request()).text for _ in range(3)]

    assert answers == ["Yes [1]."] * 3


def test_all_away_says_when_to_come_back(redis_client: redis.Redis) -> None:
    with pytest.raises(Unavailable) as raised:
        generator(redis_client, NOBODY, "http://127.0.0.1:2").answer(request())

    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= ollama._AWAY_SECONDS


def test_no_replica_has_the_model(redis_client: redis.Redis, scripts: list[Script]) -> None:
    for script in scripts:
        script.answers.append(refused(404, "model 'tiny' not found"))

    with pytest.raises(ModelError, match="ollama pull"):
        generator(redis_client, *(script.url for script in scripts)).answer(request())


def test_two_replicas_share_the_load(redis_client: redis.Redis, scripts: list[Script]) -> None:
    go = threading.Event()
    for script in scripts:
        script.answers += [lines(words("Yes "), words("[1]."), words(done=True), after=go)] * 4
    shared = generator(redis_client, *(script.url for script in scripts))

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(shared.answer, request()) for _ in range(4)]
        until(lambda: sum(len(script.bodies) for script in scripts) == 4)
        go.set()
        texts = [answer.result(20).text for answer in answers]

    assert texts == ["Yes [1]."] * 4
    assert [len(script.bodies) for script in scripts] == [2, 2]


def test_no_more_than_the_limit_at_once(redis_client: redis.Redis, one: Script) -> None:
    go = threading.Event()
    one.answers += [lines(words("Yes "), words("[1]."), words(done=True), after=go)] * 2
    bounded = generator(redis_client, one.url, limit=1)

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(bounded.answer, request()) for _ in range(2)]
        until(lambda: len(one.bodies) == 1 and used(redis_client) == 1)
        assert not any(answer.done() for answer in answers)
        go.set()
        assert [answer.result(20).text for answer in answers] == ["Yes [1]."] * 2

    assert used(redis_client) == 0


def test_waiting_for_a_slot_ends_with_a_word(
    redis_client: redis.Redis, one: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ollama, "_QUEUE_SECONDS", 0.2)
    Slots(redis_client, [one.url], 1).take("another worker")

    with pytest.raises(Overloaded, match="all are taken") as raised:
        generator(redis_client, one.url, limit=1).answer(request())

    assert raised.value.retry_after == ollama._RETRY_AFTER


def test_waiting_for_a_slot_can_be_cancelled(redis_client: redis.Redis, one: Script) -> None:
    Slots(redis_client, [one.url], 1).take("another worker")
    began = time.monotonic()

    generator(redis_client, one.url, limit=1).answer(request(cancelled=lambda: True))

    assert time.monotonic() - began < 1.0
    assert one.bodies == []


STALLS = {
    "before it answers": b"",
    "before the first word": b"HTTP/1.0 200 OK\r\n\r\n",
    "in the middle of a line": b'HTTP/1.0 200 OK\r\n\r\n{"mess',
    "after some words": f"HTTP/1.0 200 OK\r\n\r\n{words('First words ')}{words('here ')}".encode(),
    "while it thinks": f"HTTP/1.0 200 OK\r\n\r\n{words(thinking='Hm')}".encode(),
}


@pytest.mark.parametrize("stall", STALLS)
def test_cancelling_closes_the_connection_within_a_second_and_frees_the_slot(
    redis_client: redis.Redis, one: Script, stall: str
) -> None:
    one.answers.append(stalling(one, STALLS[stall]))
    asked: list[float] = []

    def cancelled() -> bool:
        if one.stalled.is_set():
            asked.append(time.monotonic())
        return len(asked) > 1

    answer = generator(redis_client, one.url).answer(request(cancelled=cancelled))

    assert time.monotonic() - asked[1] < 1.0
    assert one.hung_up.wait(1.0)
    assert used(redis_client) == 0
    assert answer.text == ("First words here" if stall == "after some words" else "")


def test_a_silent_server_times_out(redis_client: redis.Redis, one: Script) -> None:
    one.answers.append(lambda handler: one.hung_up.wait(10) and None)

    with pytest.raises(TimedOut, match="GENERATOR_TIMEOUT"):
        generator(redis_client, one.url, timeout=0.3).answer(request())
