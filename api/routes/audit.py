"""The audit log: a layer that writes it, and /v1/audit, which an admin of all collections reads."""

import logging
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from time import monotonic, time
from typing import Annotated, Self
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.access import CALLER, DOCUMENTS, KEY_REFUSED, ORIGIN_REFUSED, REQUEST_ID, Caller
from api.calls.auth import AdminCall, address_of, token_of
from api.calls.openapi import problems
from api.schemas.answers import Answer, Page, page_of
from api.schemas.paging import Paged
from rag.access.keys import id_of
from rag.errors import Transient
from rag.naming import checked_collection_name
from rag.redis.audit import AuditEntry, AuditKind, AuditWriter

router = APIRouter(prefix="/v1/audit", tags=["audit"])

_READS = ("GET", "HEAD", "OPTIONS")
_REFUSED = (401, 403)
_APART_SECONDS = 1.0
_MOST_ADDRESSES = 10_000
_QUESTIONS = "/v1/queries"
_JOBS, _BATCHES = "/v1/jobs/", "/v1/batches/"
_LONGEST_PATH = 512
_LONGEST_ORIGIN = 300

lines = logging.getLogger("aegis.audit")
lines.setLevel(logging.INFO)  # whatever LOG_LEVEL is for the rest
log = logging.getLogger(__name__)


class AuditOut(Answer):
    """One call."""

    at: datetime
    kind: AuditKind
    key: str | None = Field(description="Name of the key; null of one that is not known")
    key_id: str | None = Field(description="Of a key in the records, even one that is no longer valid")
    role: str | None
    method: str
    path: str
    collection: str | None = Field(description="Where the query string names one")
    status: int | None = Field(description="Null where the client left before the answer")
    address: str
    request_id: str
    job_id: str | None = Field(description="The job that the call made or changed")
    batch_id: str | None = Field(description="The batch that the call made or cancelled")
    documents: int = Field(description="Of a batch: how many were accepted")
    count: int = Field(description="This call and refused ones of the address since its last entry")
    reason: str | None = Field(
        description="Why it was refused before its key was read: the problem's code",
        examples=["foreign-origin"],
    )
    origin: str | None = Field(description="The page that sent such a call, or the host that it named")

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        empty_is_null = (
            "key",
            "key_id",
            "role",
            "collection",
            "status",
            "job_id",
            "batch_id",
            "reason",
            "origin",
        )
        nullable = {name: getattr(entry, name) or None for name in empty_is_null}
        return cls.copy_from(entry, **nullable)


@router.get("", responses=problems(400), summary="Who did what")
def audit(
    call: AdminCall,
    paging: Paged,
    kind: Annotated[AuditKind, Query()] = AuditKind.WRITES,
    key: Annotated[str | None, Query(max_length=320, description="Name or id of a key")] = None,
) -> Page[AuditOut]:
    """Newest first. The last AUDIT_ENTRIES of each kind are kept; the log lines of `aegis.audit` have all.
    With a `key`, a page may be shorter than asked for although `next` leads to more."""
    window = call.parts.audit.page(kind, key=key, cursor=paging.cursor, limit=paging.limit)
    return page_of(map(AuditOut.of, window.items), window, paging.path)


class Audit:
    """Writes an entry for each call that changes something, and each that was refused, once it is answered.

    No answer waits for that, and an entry that Redis does not take is still a log line. Refusals that no rate
    limit counts get one entry a second for each address.
    """

    def __init__(self, app: ASGIApp, writer: AuditWriter) -> None:
        self._app = app
        self._writer = writer
        self._unlimited, self._foreign = Sparse(), Sparse()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, headers = time(), 0, Headers()

        async def note_status(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], Headers(raw=message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        except ClientDisconnect:
            raise
        except Exception:
            status = status or 500
            raise
        finally:
            await self._record(scope, began, status, headers)

    async def _record(self, scope: Scope, began: float, status: int, headers: Headers) -> None:
        if status in _REFUSED or KEY_REFUSED in scope:
            kind = AuditKind.REFUSALS
        elif scope["method"] in _READS or CALLER not in scope:
            return  # reads, and what was answered without a caller
        else:
            kind = AuditKind.QUESTIONS if scope["path"] == _QUESTIONS else AuditKind.WRITES
        request, count = Request(scope), 1
        if ORIGIN_REFUSED in scope:
            count = self._foreign.count(address_of(request), monotonic())
        elif kind is AuditKind.REFUSALS and status not in _REFUSED:
            count = self._unlimited.count(address_of(request), monotonic())
        if not count:
            return
        entry = replace(_entry_of(request, kind, status, headers), at=began, count=count)
        lines.info("audit %s", entry.line())
        try:
            await self._writer.write(entry)
        except Transient as error:
            log.warning("the audit log in Redis lacks request %s: %s", entry.request_id, error)


class Sparse:
    """Counts the events of each address, and lets one a second through."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, address: str, now: float) -> int:
        """The events since the last one let through, with this one; 0 for one that is only counted."""
        told, untold = self._seen.get(address, (-_APART_SECONDS, 0))
        tells = now - told >= _APART_SECONDS
        self._seen[address] = (now, 0) if tells else (told, untold + 1)
        self._seen.move_to_end(address)
        if len(self._seen) > _MOST_ADDRESSES:
            self._seen.popitem(last=False)
        return untold + 1 if tells else 0


def _entry_of(request: Request, kind: AuditKind, status: int, headers: Headers) -> AuditEntry:
    scope = request.scope
    caller: Caller | None = scope.get(CALLER)
    location = headers.get("location", "")
    sent_by = request.headers.get("origin") or request.headers.get("host") or ""
    return AuditEntry(
        at=0.0,
        kind=kind,
        key=caller.name if caller else "",
        key_id=caller.id if caller else id_of(token_of(request) or "") or "",
        role=caller.role if caller else "",
        method=scope["method"],
        path=_printable((scope.get("raw_path") or scope["path"].encode())[:_LONGEST_PATH]),
        collection=_collection_of(scope["query_string"]),
        status=status,
        address=address_of(request),
        request_id=scope.get(REQUEST_ID, ""),
        job_id=location.removeprefix(_JOBS) if location.startswith(_JOBS) else "",
        batch_id=location.removeprefix(_BATCHES) if location.startswith(_BATCHES) else "",
        documents=scope.get(DOCUMENTS, 0),
        reason=scope.get(ORIGIN_REFUSED, ""),
        origin=_printable(sent_by.encode("latin-1")[:_LONGEST_ORIGIN]) if ORIGIN_REFUSED in scope else "",
    )


def _printable(sent: bytes) -> str:
    text = sent.decode("ascii", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)


def _collection_of(query: bytes) -> str:
    """The one that the query string names; "" where that cannot be a name."""
    try:
        named = parse_qs(query.decode("ascii", "replace"), max_num_fields=20).get("collection", [""])
        return checked_collection_name(named[0]) if named[0] else ""
    except ValueError:
        return ""
