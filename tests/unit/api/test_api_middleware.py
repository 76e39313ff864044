"""The layer around the routes: what is an error of ours, and what is a reader that has left."""

import asyncio
import logging
from typing import Any

import pytest
from anyio import BrokenResourceError

from api.middleware import Trace

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/v1/events", "headers": []}


def answered(error: Exception) -> list[int]:
    """The statuses that were noted of a stream that ends by ``error``."""
    noted: list[int] = []

    async def stream(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    async def ignored(*_: Any) -> Any:
        return None

    trace = Trace(stream, lambda _method, _route, status, _seconds, _exemplar: noted.append(status))
    asyncio.run(trace(dict(SCOPE), ignored, ignored))
    return noted


def test_a_reader_that_leaves_a_stream_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert answered(ExceptionGroup("in the stream", [BrokenResourceError()])) == [499]

    assert caplog.records == []


def test_anything_else_in_a_stream_is_one(caplog: pytest.LogCaptureFixture) -> None:
    error = ExceptionGroup("in the stream", [BrokenResourceError(), ValueError("ours")])

    with pytest.raises(ExceptionGroup), caplog.at_level(logging.ERROR):
        answered(error)

    assert "failed with an unexpected error" in caplog.text
