"""Signed messages: with MESSAGE_KEY, a worker runs only what a holder of the key has sent.

A serializer signs, as ``<hex HMAC-SHA256>.<JSON>``, so that remote control is signed too. Celery's
headers name the task and its time, so they are copied into the signed body, and the worker compares them.
A message that is sent a second time is not refused: a stage that is done is not done again.
"""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from celery import Task, signals
from kombu import serialization
from kombu.exceptions import DecodeError
from kombu.utils.json import dumps, loads

from rag.errors import Forged

NAME = "aegis-signed"
CONTENT_TYPE = f"application/x-{NAME}+json"

_PURPOSE = b"aegis message 1\0"
_DIGITS = 64
_BOUND = "signed_headers"
_REDELIVERED = "redelivered"
"""A header that the transport adds after signing."""


class Seal:
    """Signs with the first of ``keys``, and accepts signatures by any of them, so a key can be changed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys

    def sealed(self, content: Any) -> str:
        """``content`` as JSON behind its signature."""
        text = dumps(content)
        return f"{self._signature(self._keys[0], text.encode())}.{text}"

    def opened(self, message: str | bytes) -> Any:
        """The content of a signed message. Forged, before anything is parsed; its text quotes nothing."""
        data = message.encode() if isinstance(message, str) else bytes(message)
        signature, text = data[:_DIGITS], data[_DIGITS + 1 :]
        own = [self._signature(key, text).encode() for key in self._keys]
        if not any(hmac.compare_digest(by_key, signature) for by_key in own):
            raise Forged("its signature is not by MESSAGE_KEY")
        return loads(text)

    @staticmethod
    def _signature(key: bytes, text: bytes) -> str:
        return hmac.new(key, _PURPOSE + text, sha256).hexdigest()


def sign_with(keys: Sequence[bytes]) -> dict[str, Any]:
    """Register the serializer, and return what Celery's configuration needs for it."""
    seal = Seal(keys)
    serialization.register(NAME, seal.sealed, seal.opened, CONTENT_TYPE)
    signals.before_task_publish.connect(_bind, dispatch_uid=NAME)
    return {"task_serializer": NAME, "accept_content": [NAME]}


def _bind(body: tuple[Any, Any, dict[str, Any]], headers: Mapping[str, Any], **_: Any) -> None:
    """Copy the headers into the body, where they are signed."""
    body[2][_BOUND] = dict(headers)


def check(message: Any) -> None:
    """Raise Forged unless this message of kombu is signed, and its headers too."""
    if message.content_type != CONTENT_TYPE:
        raise Forged("it is not signed")
    try:
        _, _, embedded = message.decode()
        bound = embedded[_BOUND]
    except DecodeError as error:
        raise Forged("its signature is not by MESSAGE_KEY") from error
    except (ValueError, TypeError, KeyError) as error:  # remote control has another body
        raise Forged("what was signed is no task") from error
    if bound != {name: value for name, value in message.headers.items() if name != _REDELIVERED}:
        raise Forged("its headers are not those that were signed")


class SignedTask(Task):  # type: ignore[type-arg]  # Celery's class takes no parameters at run time
    """The class of all the app's tasks, including Celery's own."""

    Strategy = "tasks.broker.verification:strategy"
