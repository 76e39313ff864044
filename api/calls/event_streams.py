"""Answers with server-sent events that are encoded already.

FastAPI's own would check, encode and send each event by itself, anew for each stream.
"""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Final

from fastapi.responses import StreamingResponse

STREAM_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx would hold events back
)


class EncodedEvents(StreamingResponse):
    media_type = "text/event-stream"


def stream_events(pieces: AsyncIterator[bytes]) -> EncodedEvents:
    """The answer of ``pieces``, each of whole events."""
    return EncodedEvents(pieces, headers=STREAM_HEADERS)
