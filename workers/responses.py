"""Failures common to all model servers, whatever their schema: driver errors, and the message in a body."""

import json
from typing import Any

import httpx

from rag.errors import ErrorTable, ModelError, TimedOut, Unavailable

DRIVER_ERRORS: ErrorTable = {
    httpx.ConnectTimeout: Unavailable,
    httpx.TimeoutException: TimedOut,
    httpx.UnsupportedProtocol: ModelError,
    httpx.TransportError: Unavailable,
    httpx.InvalidURL: ModelError,
    httpx.HTTPError: ModelError,
}

_MAX_LENGTH = 300  # characters


def error_message(body: str) -> str:
    """The message in an error's body, shortened: ``error``, ``detail`` or ``message``, with its ``code``."""
    try:
        parsed = json.loads(body)
        message = _message(parsed)
    except (ValueError, RecursionError):
        parsed, message = body, body[:_MAX_LENGTH]
    code = parsed.get("code") if isinstance(parsed, dict) else None
    parts = [str(code), message] if code and str(code) not in message else [message]
    return " ".join(" ".join(parts).split())[:_MAX_LENGTH] or "no reason given"


def _message(parsed: Any) -> str:
    if isinstance(parsed, dict):
        for key in ("error", "detail", "message", "msg"):
            if parsed.get(key):
                return _message(parsed[key])
    if isinstance(parsed, list):
        return "; ".join(map(_message, parsed))
    return str(parsed)
