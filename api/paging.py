"""Where a listing goes on, and how much of it at once.

A cursor is what its store calls the last item of a page, an id for most, with a checksum, so that what no
page has given out is told from what one has.
"""

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Query

from rag.errors import InvalidCursor

_CHECKSUM = 6  # bytes
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Paging:
    """``cursor``: as the store gave it; None for the first page."""

    cursor: str | None
    limit: int


async def _paging(
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Paging:
    return Paging(opened(cursor) if cursor else None, limit)


Paged = Annotated[Paging, Depends(_paging)]


def sealed(cursor: str) -> str:
    """A store's cursor as callers get it."""
    value = cursor.encode()
    return urlsafe_b64encode(_checksum(value) + value).rstrip(b"=").decode()


def opened(cursor: str) -> str:
    """The inverse of :func:`sealed`. InvalidCursor for anything that it has not made."""
    try:
        whole = b64decode(cursor[:_LONGEST] + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        checksum, value = whole[:_CHECKSUM], whole[_CHECKSUM:]
        if value and checksum == _checksum(value):
            return value.decode()
    except ValueError:
        pass
    raise InvalidCursor("cursor: this is no `next` of an earlier page; leave it out to begin anew")


def _checksum(value: bytes) -> bytes:
    return sha256(value).digest()[:_CHECKSUM]
