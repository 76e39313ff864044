"""Where a listing goes on, and how much of it at once.

A cursor is what its store calls the last item of a page, an id for most, with a checksum, so that what no
page has given out is told from what one has.
"""

from base64 import b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import Annotated, TypeVar

from fastapi import Depends, Query

from rag.errors import InvalidCursor
from rag.ports import Window

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Slicing:
    """Of a listing that is read whole; ``limit`` None: all of it on one page."""

    cursor: str | None
    limit: int | None

    def window(self, items: Sequence[tuple[str, T]]) -> Window[T]:
        """``items``: each behind its cursor, which ascend."""
        begin = bisect_right(items, self.cursor, key=itemgetter(0)) if self.cursor else 0
        end = len(items) if self.limit is None else begin + self.limit
        page = items[begin:end]
        return Window(tuple(item for _, item in page), page[-1][0] if end < len(items) else None)


async def _slicing(
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int | None, Query(ge=1, le=200, description="Unset: all on one page")] = None,
) -> Slicing:
    return Slicing(opened(cursor) if cursor else None, limit)


Sliced = Annotated[Slicing, Depends(_slicing)]


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
