"""What every model server's failures have in common, whatever its schema."""

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

_LONGEST = 300  # characters


def words_of(body: str) -> str:
    """The message in an error's body, shortened: ``error``, ``detail`` or ``message``, with its ``code``."""
    try:
        told = json.loads(body)
        words = _message(told)
    except (ValueError, RecursionError):
        told, words = body, body[:_LONGEST]
    code = told.get("code") if isinstance(told, dict) else None
    parts = [str(code), words] if code and str(code) not in words else [words]
    return " ".join(" ".join(parts).split())[:_LONGEST] or "no reason given"


def _message(told: Any) -> str:
    if isinstance(told, dict):
        for key in ("error", "detail", "message", "msg"):
            if told.get(key):
                return _message(told[key])
    if isinstance(told, list):
        return "; ".join(map(_message, told))
    return str(told)
