"""Where a listing goes on, and how much of it at once.

A cursor is what its store calls the last item of a page, an id for most, with a checksum over that and the
list's address, so that what no page of this list has given out is told from what one has.
"""

from base64 import b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request

from rag.errors import InvalidCursor
from rag.ports import Window

T = TypeVar("T")

_CHECKSUM = 6  # bytes
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Paging:
    """``cursor``: as the store gave it; None for the first page. ``of``: the list's address."""

    cursor: str | None
    limit: int
    of: str


async def _paging(
    request: Request,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Paging:
    of = request.scope["path"]
    return Paging(opened(cursor, of) if cursor else None, limit, of)


Paged = Annotated[Paging, Depends(_paging)]


@dataclass(frozen=True, slots=True)
class Slicing:
    """Of a listing that is read whole; ``limit`` None: all of it on one page. ``of``: its address."""

    cursor: str | None
    limit: int | None
    of: str

    def window(self, items: Sequence[tuple[str, T]]) -> Window[T]:
        """``items``: each behind its cursor, which ascend."""
        begin = bisect_right(items, self.cursor, key=itemgetter(0)) if self.cursor else 0
        end = len(items) if self.limit is None else begin + self.limit
        page = items[begin:end]
        return Window(tuple(item for _, item in page), page[-1][0] if end < len(items) else None)


async def _slicing(
    request: Request,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int | None, Query(ge=1, le=200, description="Unset: all on one page")] = None,
) -> Slicing:
    of = request.scope["path"]
    return Slicing(opened(cursor, of) if cursor else None, limit, of)


Sliced = Annotated[Slicing, Depends(_slicing)]


def sealed(cursor: str, of: str) -> str:
    """A store's cursor as callers of the list at the address ``of`` get it."""
    value = cursor.encode()
    return urlsafe_b64encode(_checksum(value, of) + value).rstrip(b"=").decode()


def opened(cursor: str, of: str) -> str:
    """The inverse of :func:`sealed`. InvalidCursor for anything that it has not made for this list."""
    try:
        whole = b64decode(cursor[:_LONGEST] + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        checksum, value = whole[:_CHECKSUM], whole[_CHECKSUM:]
        if value and checksum == _checksum(value, of):
            return value.decode()
    except ValueError:
        pass
    raise InvalidCursor(
        "cursor: this is no `next` of an earlier page of this list; leave it out to begin anew"
    )


def _checksum(value: bytes, of: str) -> bytes:
    return sha256(of.encode() + b"\0" + value).digest()[:_CHECKSUM]
