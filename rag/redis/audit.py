"""The audit log: who changed or asked what, from where, with what outcome. No bodies, no secrets.

Bounded streams in Redis, one for each kind, so that a flood of refused keys does not push out writes:

{aegis}:audit:KIND  stream: an entry as JSON
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from rag.errors import InvalidCursor
from rag.ports import Window
from rag.redis.connection import PREFIX, reaching_redis

_CURSOR = re.compile(r"[0-9]{1,15}-[0-9]{1,15}\Z")
_FIELD = b"entry"
_LOOKS = 1000
_OF_BATCHES = ("batch_id", "documents")


class AuditKind(StrEnum):
    """``writes``: calls that change something; ``questions``; ``refusals``: wrong keys, keys that may not
    do what was asked, and calls from web pages that may not call."""

    WRITES = "writes"
    QUESTIONS = "questions"
    REFUSALS = "refusals"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call. ``at``: its arrival in Unix seconds; ``status`` 0: the caller left before the answer.

    ``key``: the key's name, "" for an unknown one; ``key_id``: of a key in the records, valid or not.
    ``collection``: as named in the query string. ``job_id``: "" for none. ``count``: this call and earlier
    ones like it that have no entry. ``batch_id``: "" for none; ``documents``: how many it accepted.
    ``reason``: why it was refused before its key was checked, else ""; ``origin``: in that case the page that
    sent it, or the host that it named.
    """

    at: float
    kind: AuditKind
    key: str
    key_id: str
    role: str
    method: str
    path: str
    collection: str
    status: int
    address: str
    request_id: str
    job_id: str
    count: int = 1
    reason: str = ""
    origin: str = ""
    batch_id: str = ""
    documents: int = 0

    def line(self) -> str:
        """The entry as JSON, on one line; what only calls with a batch have, only of these."""
        told = {name: value for name, value in asdict(self).items() if value or name not in _OF_BATCHES}
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def of(cls, line: bytes) -> "AuditEntry":
        """The inverse of :meth:`line`; fields of later versions are left out."""
        told = {name: value for name, value in json.loads(line).items() if name in cls.__dataclass_fields__}
        return cls(**{**told, "kind": AuditKind(told["kind"])})


class AuditWriter:
    """Appends to the streams, each of which keeps about ``most`` entries; 0: none."""

    def __init__(self, client: AsyncRedis, most: int) -> None:
        self._client = client
        self._most = most

    async def write(self, entry: AuditEntry) -> None:
        """Raises Unavailable or Overloaded."""
        if self._most:
            with reaching_redis():
                await self._client.xadd(
                    _key(entry.kind), {_FIELD: entry.line()}, maxlen=self._most, approximate=True
                )


class AuditReader:
    """Reads the streams."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def page(self, kind: AuditKind, *, key: str | None, cursor: str | None, limit: int) -> Window[AuditEntry]:
        """A page of entries, newest first; of one ``key``, by its name or id, or of all. It may be short.

        Raises InvalidCursor for a cursor of another form, and Unavailable.
        """
        if cursor is not None and not _CURSOR.match(cursor):
            raise InvalidCursor("cursor: this is none of an earlier page of the audit log")
        latest = f"({cursor}" if cursor else "+"
        with reaching_redis():
            found = cast(
                list[tuple[bytes, Mapping[bytes, bytes]]],
                self._client.xrevrange(_key(kind), latest, "-", count=_LOOKS),
            )
        entries: list[AuditEntry] = []
        for number, (entry_id, fields) in enumerate(found, 1):
            entry = AuditEntry.of(fields[_FIELD])
            if key is None or key in (entry.key, entry.key_id):
                entries.append(entry)
            if len(entries) == limit and number < len(found):
                return Window(tuple(entries), entry_id.decode())
        return Window(tuple(entries), found[-1][0].decode() if len(found) == _LOOKS else None)


def _key(kind: AuditKind) -> str:
    return f"{PREFIX}audit:{kind}"
