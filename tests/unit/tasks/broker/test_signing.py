"""What is believed of a message, with and without the key; no broker takes part."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import signals
from kombu import serialization
from kombu.message import Message
from pydantic import SecretStr, ValidationError

from rag.errors import Forged
from rag.settings import Settings
from tasks.broker import signing
from tasks.broker.signing import CONTENT_TYPE, NAME, Seal, check, sign_with
from tasks.broker.verification import Doorkeeper

OURS, OLD, THEIRS = b"o" * 32, b"w" * 32, b"t" * 32
HEADERS = {"task": "aegis.parse", "id": "j.parse.0", "timelimit": [None, None], "eta": None}


@pytest.fixture(autouse=True)
def _signed() -> Iterator[None]:
    """This process signs by OURS, as its Celery would be configured."""
    sign_with([OURS, OLD])
    yield
    serialization.unregister(NAME)
    signals.before_task_publish.disconnect(dispatch_uid=NAME)


def sent(headers: dict[str, Any] = HEADERS, keys: tuple[bytes, ...] = (OURS,)) -> Message:
    """A task's message as a holder of ``keys`` sends it."""
    body: tuple[Any, Any, dict[str, Any]] = (["j"], {}, {"chain": None})
    signals.before_task_publish.send(sender="aegis.parse", body=body, headers=dict(headers))
    return message(Seal(keys).sealed(body), headers)


def message(body: str, headers: dict[str, Any] = HEADERS, content_type: str = CONTENT_TYPE) -> Message:
    return Message(
        body,
        content_type=content_type,
        content_encoding="utf-8",
        headers=dict(headers),
        accept={CONTENT_TYPE},
    )


@pytest.mark.parametrize("keys", [(OURS,), (OURS, OLD), (OLD,), (OLD, OURS)])
def test_a_message_by_the_present_key_or_the_one_before_is_believed(keys: tuple[bytes, ...]) -> None:
    check(sent(keys=keys))


def test_a_message_that_the_transport_delivers_again_is_believed() -> None:
    again = sent()
    again.headers["redelivered"] = True
    check(again)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda: sent(keys=(THEIRS,)), id="another key"),
        pytest.param(lambda: message('[["j"], {}, {}]', content_type="application/json"), id="not signed"),
        pytest.param(lambda: message('[["j"], {}, {}]'), id="named signed"),
        pytest.param(lambda: message(""), id="empty"),
        pytest.param(lambda: message(f"{'0' * 64}.[]"), id="zeros"),
        pytest.param(lambda: message(f"{'é' * 64}.[]"), id="no digits"),
        pytest.param(lambda: message(sent().body + " "), id="longer"),
        pytest.param(lambda: message(sent().body.replace('"j"', '"k"')), id="another job"),
        pytest.param(lambda: message(sent().body, {**HEADERS, "task": "aegis.purge"}), id="another task"),
        pytest.param(lambda: message(sent().body, {**HEADERS, "timelimit": [1, 1]}), id="another limit"),
        pytest.param(lambda: message(sent().body, {**HEADERS, "chain": "x"}), id="another header"),
        pytest.param(lambda: message(Seal([OURS]).sealed({"method": "ping"})), id="remote control"),
    ],
)
def test_whatever_a_stranger_makes_of_it_is_refused(forged: Any) -> None:
    with pytest.raises(Forged):
        check(forged())


def test_nothing_is_parsed_that_is_not_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "loads", lambda text: pytest.fail(f"{text} was parsed"))
    with pytest.raises(Forged):
        Seal([OURS]).opened(Seal([THEIRS]).sealed({"a": 1}))


def test_refusals_are_told_once_a_minute_without_a_word_of_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    doorkeeper = Doorkeeper(lambda: now[0])

    for _ in range(1000):
        assert doorkeeper.refuses(message("\x1b[31mhostile", content_type="application/json"))
    now[0] = 61.0
    assert doorkeeper.refuses(sent(keys=(THEIRS,)))
    assert not doorkeeper.refuses(sent())

    assert [record.getMessage() for record in caplog.records] == [
        "refused and not run: 1 messages, the last one because it is not signed",
        "refused and not run: 1000 messages, the last one because its signature is not by MESSAGE_KEY",
    ]


def test_a_key_is_long_and_there_are_two_at_most() -> None:
    keys = [key.decode() for key in (OURS, OLD, THEIRS)]
    assert Settings(message_key=SecretStr(f"{keys[0]}, {keys[1]}")).message_keys == (OURS, OLD)
    assert Settings().message_keys == ()
    for wrong in ("short", f"{keys[0]},short", f"{keys[0]},", ",".join(keys)):
        with pytest.raises(ValidationError, match="32 characters or more") as refused:
            Settings(message_key=SecretStr(wrong))
        assert "short" not in str(refused.value)
