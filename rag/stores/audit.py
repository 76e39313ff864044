"""The audit log: who changed or asked what, from where, and how it ended; no bodies and no secrets.

Bounded streams in Redis, one a kind, so that no flood of refused keys pushes out what was written:

{aegis}:audit:KIND  stream: an entry as JSON
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from rag.errors import InvalidCursor
from rag.ports import Window
from rag.stores.redis import PREFIX, reaching_redis

_CURSOR = re.compile(r"[0-9]{1,15}-[0-9]{1,15}\Z")
_FIELD = b"entry"
_LOOKS = 1000


class AuditKind(StrEnum):
    """``writes``: calls that change something; ``questions``; ``refusals``: keys that were not let in, or not
    so far, and what a web page sent that may not."""

    WRITES = "writes"
    QUESTIONS = "questions"
    REFUSALS = "refusals"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call. ``at``: when it came in, in seconds since 1970; ``status`` 0: nobody waited for the answer.

    ``key``: name of the key, "" of none that is known; ``key_id``: of a key in the records, also of one that
    is not good any more. ``collection``: where the query string names one. ``job_id``: "" without. ``count``:
    it and those like it that came before and have no entry. ``reason``: why it was turned away before anybody
    looked at its key, "" where not; ``origin``: the page that sent it then, or the host that it named.
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

    def line(self) -> str:
        """As JSON, on one line."""
        return json.dumps(asdict(self), separators=(",", ":"))


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
    def __init__(self, client: Redis) -> None:
        self._client = client

    def page(self, kind: AuditKind, *, key: str | None, cursor: str | None, limit: int) -> Window[AuditEntry]:
        """Newest first; of one ``key``, by its name or id, or of all. A page may be short.

        InvalidCursor for a cursor that is none; Unavailable.
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
            entry = _entry(json.loads(fields[_FIELD]))
            if key is None or key in (entry.key, entry.key_id):
                entries.append(entry)
            if len(entries) == limit and number < len(found):
                return Window(tuple(entries), entry_id.decode())
        return Window(tuple(entries), found[-1][0].decode() if len(found) == _LOOKS else None)


def _entry(fields: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(**{**fields, "kind": AuditKind(fields["kind"])})


def _key(kind: AuditKind) -> str:
    return f"{PREFIX}audit:{kind}"
