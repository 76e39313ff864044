"""What the ways in which a model server fails mean to us, in two tables."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from rag.errors import AegisError, ErrorTable, ModelError, Overloaded, TimedOut, Transient, Unavailable

DRIVER_ERRORS: ErrorTable = {
    httpx.ConnectTimeout: Unavailable,
    httpx.TimeoutException: TimedOut,
    httpx.UnsupportedProtocol: ModelError,
    httpx.TransportError: Unavailable,
    httpx.InvalidURL: ModelError,
    httpx.HTTPError: ModelError,
}

_STATUSES: Mapping[int, tuple[type[AegisError], str]] = {
    400: (ModelError, "the request does not suit the model"),
    401: (ModelError, "the key is wrong: check GENERATOR_API_KEY"),
    402: (ModelError, "the account has no credit left"),
    403: (ModelError, "the key may not use this model: check GENERATOR_API_KEY and GENERATOR_MODEL"),
    404: (ModelError, "no such model or address: check the model's name and the base URL (…/v1)"),
    408: (TimedOut, "the server gave up waiting"),
    413: (ModelError, "the prompt is too long: lower GENERATOR_CONTEXT_TOKENS"),
    422: (ModelError, "the request does not suit the model"),
    429: (Overloaded, "too many requests"),
    503: (Unavailable, "the server is starting or overloaded"),
}


def refusal(url: str, status: int, headers: Mapping[str, str], body: str) -> AegisError:
    """The error that an answer with ``status`` stands for, the server's own words included."""
    fallback = (Unavailable, "the server failed") if status >= 500 else (ModelError, "the server refused")
    kind, meaning = _STATUSES.get(status, fallback)
    message = f"{url}: {status}, {meaning} ({_said(body)})"
    if issubclass(kind, Transient):
        return kind(message, retry_after=_seconds(headers.get("retry-after")))
    return kind(message)


def _said(body: str) -> str:
    """The message in an error's body, shortened."""
    try:
        error = json.loads(body)["error"]
        words = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        words = body
    return " ".join(str(words).split())[:300] or "no reason given"


def _seconds(value: str | None) -> float | None:
    """``Retry-After`` in seconds, from either of its forms (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        if value.strip().isdigit():
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
