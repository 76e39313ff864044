"""Pages of listings: where the next one begins, and how long it is.

A cursor is the last item of a page, as its store names it, with a checksum over that and the list's address.
So a cursor that no page of this list contained is recognised.
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
    """``cursor``: as the store gave it; None for the first page. ``path``: the list's address."""

    cursor: str | None
    limit: int
    path: str


@dataclass(frozen=True, slots=True)
class Slicing:
    """Of a listing that is read as a whole; ``limit`` None: all of it on one page. ``path``: its address."""

    cursor: str | None
    limit: int | None
    path: str

    def window(self, items: Sequence[tuple[str, T]]) -> Window[T]:
        """The page. ``items``: each with its cursor, in ascending order."""
        # A cursor may be of an item that has gone since: the page begins with the one that would follow.
        begin = bisect_right(items, self.cursor, key=itemgetter(0)) if self.cursor else 0
        end = len(items) if self.limit is None else begin + self.limit
        page = items[begin:end]
        return Window(tuple(item for _, item in page), page[-1][0] if end < len(items) else None)


async def paging(
    request: Request,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Paging:
    path = request.scope["path"]
    return Paging(decode_cursor(cursor, path) if cursor else None, limit, path)


async def slicing(
    request: Request,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int | None, Query(ge=1, le=200, description="Unset: all on one page")] = None,
) -> Slicing:
    path = request.scope["path"]
    return Slicing(decode_cursor(cursor, path) if cursor else None, limit, path)


Paged = Annotated[Paging, Depends(paging)]
Sliced = Annotated[Slicing, Depends(slicing)]


def encode_cursor(cursor: str, path: str) -> str:
    """A store's cursor as callers of the list at ``path`` get it."""
    value = cursor.encode()
    return urlsafe_b64encode(_checksum(value, path) + value).rstrip(b"=").decode()


def decode_cursor(cursor: str, path: str) -> str:
    """The inverse of :func:`encode_cursor`. InvalidCursor for anything that it has not made for this list."""
    try:
        whole = b64decode(cursor[:_LONGEST] + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        checksum, value = whole[:_CHECKSUM], whole[_CHECKSUM:]
        if value and checksum == _checksum(value, path):
            return value.decode()
    except ValueError:
        pass  # it is no Base64 or no UTF-8: refused below, as a wrong checksum is
    raise InvalidCursor(
        "cursor: this is no `next` of an earlier page of this list; leave it out to start again"
    )


def _checksum(value: bytes, path: str) -> bytes:
    return sha256(path.encode() + b"\0" + value).digest()[:_CHECKSUM]
