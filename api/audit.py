"""The audit log: a layer that writes it, and /v1/audit, which an admin of all collections reads."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from time import monotonic, time
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Caller
from api.gate import AdminCall, address_of, token_of
from api.openapi import problems
from api.paging import Paged
from api.schemas import Page, moment, page_of
from api.scope import CALLER, REFUSED, REQUEST_ID, TURNED_AWAY
from rag.errors import Transient
from rag.keys import id_of
from rag.naming import checked_collection_name
from rag.stores.audit import AuditEntry, AuditKind, AuditWriter

router = APIRouter(prefix="/v1/audit", tags=["audit"])

_READS = ("GET", "HEAD", "OPTIONS")
_REFUSED = (401, 403)
_APART_SECONDS = 1.0
_MOST_ADDRESSES = 10_000
_QUESTIONS = "/v1/queries"
_JOBS = "/v1/jobs/"
_LONGEST_PATH = 512
_LONGEST_ORIGIN = 300

lines = logging.getLogger("aegis.audit")
lines.setLevel(logging.INFO)  # whatever LOG_LEVEL says of the rest
log = logging.getLogger(__name__)


class AuditOut(BaseModel):
    """One call."""

    at: datetime
    kind: AuditKind
    key: str | None = Field(description="Name of the key; null of one that is not known")
    key_id: str | None = Field(description="Of a key in the records, also of one that is not good any more")
    role: str | None
    method: str
    path: str
    collection: str | None = Field(description="Where the query string names one")
    status: int | None = Field(description="Null where the caller had gone before the answer")
    address: str
    request_id: str
    job_id: str | None = Field(description="The job that the call made or changed")
    count: int = Field(
        description="With others that were refused, from the same address since its last entry"
    )
    reason: str | None = Field(
        description="Why it was refused before anybody looked at its key: the problem's code",
        examples=["foreign-origin"],
    )
    origin: str | None = Field(
        description="The page that sent what was refused so, or the host that it named"
    )

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditOut":
        return cls(
            at=moment(entry.at),
            kind=entry.kind,
            key=entry.key or None,
            key_id=entry.key_id or None,
            role=entry.role or None,
            method=entry.method,
            path=entry.path,
            collection=entry.collection or None,
            status=entry.status or None,
            address=entry.address,
            request_id=entry.request_id,
            job_id=entry.job_id or None,
            count=entry.count,
            reason=entry.reason or None,
            origin=entry.origin or None,
        )


@router.get("", responses=problems(400), summary="Who did what")
def audit(
    call: AdminCall,
    paging: Paged,
    kind: Annotated[AuditKind, Query()] = AuditKind.WRITES,
    key: Annotated[str | None, Query(max_length=320, description="Name or id of a key")] = None,
) -> Page[AuditOut]:
    """Newest first. The last AUDIT_ENTRIES of each kind are kept; the log lines of `aegis.audit` have all.
    With a `key`, a page may be shorter than asked for, and `next` leads on."""
    window = call.parts.audit.page(kind, key=key, cursor=paging.cursor, limit=paging.limit)
    return page_of(map(AuditOut.of, window.items), window, paging.of)


class Audit:
    """Notes each call that changes something, and each that was refused, once it is answered.

    Nobody waits for that; what Redis does not take is a log line all the same. Refusals that no rate
    limit bounds have one entry a second for each address.
    """

    def __init__(self, app: ASGIApp, writer: AuditWriter) -> None:
        self._app = app
        self._writer = writer
        self._unbounded, self._turned_away = Sparse(), Sparse()

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
            kind = _kind(scope, status)
            count = self._count(kind, scope, status)
            if kind is not None and count:
                await self._note(replace(_entry(kind, scope, began, status, headers), count=count))

    def _count(self, kind: AuditKind | None, scope: Scope, status: int) -> int:
        if TURNED_AWAY in scope:
            return self._turned_away.count(address_of(Request(scope)), monotonic())
        if kind is not AuditKind.REFUSALS or status in _REFUSED:
            return 1
        return self._unbounded.count(address_of(Request(scope)), monotonic())

    async def _note(self, entry: AuditEntry) -> None:
        lines.info("audit %s", entry.line())
        try:
            await self._writer.write(entry)
        except Transient as error:
            log.warning("the audit log in Redis lacks request %s: %s", entry.request_id, error)


class Sparse:
    """How many of what comes from an address are told of, a second apart; 0 for what is only counted."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, address: str, now: float) -> int:
        """Of those since the last one that was told of, with this one. Of 10,000 addresses, the latest."""
        told, untold = self._seen.get(address, (-_APART_SECONDS, 0))
        tells = now - told >= _APART_SECONDS
        self._seen[address] = (now, 0) if tells else (told, untold + 1)
        self._seen.move_to_end(address)
        if len(self._seen) > _MOST_ADDRESSES:
            self._seen.popitem(last=False)
        return untold + 1 if tells else 0


def _kind(scope: Scope, status: int) -> AuditKind | None:
    """None for what is not noted: reads, and what was turned away before it was known who calls."""
    if status in _REFUSED or REFUSED in scope:
        return AuditKind.REFUSALS
    if scope["method"] in _READS or CALLER not in scope:
        return None
    return AuditKind.QUESTIONS if scope["path"] == _QUESTIONS else AuditKind.WRITES


def _entry(
    kind: AuditKind, scope: Scope, began: float, status: int, headers: Mapping[str, str]
) -> AuditEntry:
    caller: Caller | None = scope.get(CALLER)
    request = Request(scope)
    location = headers.get("location", "")
    return AuditEntry(
        at=began,
        kind=kind,
        key=caller.name if caller else "",
        key_id=caller.id if caller else id_of(token_of(request) or "") or "",
        role=caller.role if caller else "",
        method=scope["method"],
        path=_plain(scope.get("raw_path") or scope["path"].encode()),
        collection=_collection(scope["query_string"]),
        status=status,
        address=address_of(request),
        request_id=scope.get(REQUEST_ID, ""),
        job_id=location.removeprefix(_JOBS) if location.startswith(_JOBS) else "",
        reason=scope.get(TURNED_AWAY, ""),
        origin=_origin(request.headers) if TURNED_AWAY in scope else "",
    )


def _origin(headers: Headers) -> str:
    sent = headers.get("origin") or headers.get("host") or ""
    return _plain(sent.encode("latin-1")[:_LONGEST_ORIGIN])


def _plain(path: bytes) -> str:
    text = path[:_LONGEST_PATH].decode("ascii", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)


def _collection(query: bytes) -> str:
    """The one that the query string names, where that may be a name."""
    try:
        named = parse_qs(query.decode("ascii", "replace"), max_num_fields=20).get("collection", [""])
        return checked_collection_name(named[0]) if named[0] else ""
    except ValueError:
        return ""
