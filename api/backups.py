"""/v1/backups: make, list, verify, rehearse, restore and prune them.

A backup holds every collection, so all of this takes an admin whose key reaches all of them.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from api.backup_schemas import (
    BackupIn,
    BackupOut,
    Moment,
    RestoreIn,
    StandingOut,
    UnusableBackupOut,
    WholeBackupOut,
    entry_of,
    seconds_of,
)
from api.gate import AdminCall, Call
from api.openapi import SUBMIT_HEADERS, problems, submit_answers, submit_of
from api.paging import Paged
from api.schemas import Page, Submitted, page_of
from api.sent import sent_or_default
from api.submits import answered, owner_of, submit_once, terms_of
from rag.errors import InvalidRequest
from rag.model import LATEST, Json
from rag.ports import Accepted
from tasks.submit import Idempotency

router = APIRouter(prefix="/v1/backups", tags=["backups"])

Backup = Annotated[str, Path(description=f"A backup's id, or `{LATEST}`: the newest that has documents")]
_HEADERS = {"parameters": SUBMIT_HEADERS}

Submit = Callable[[Idempotency | None, str], Accepted]


async def _submitted(call: Call, body: Json, submit: Submit) -> Response:
    """The answer of a submit whose job ``submit`` makes."""
    terms = terms_of(call.request)
    idempotency = terms.idempotency(call.caller, body)
    owner = owner_of(call.caller)
    accepted = await call.work(submit_once, call.parts, idempotency, lambda: submit(idempotency, owner))
    return await answered(call, accepted, terms)


@router.post(
    "",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(400, 408, 413, 415),
    openapi_extra=submit_of(BackupIn, required=False),
    summary="Make a backup",
)
async def back_up(call: AdminCall) -> Response:
    """`result` has the backup's id, its counts and its size. `progress` counts bytes."""
    body = await sent_or_default(call, BackupIn)
    desk = call.parts.submissions.backups
    return await _submitted(
        call,
        body.model_dump(exclude_unset=True),
        lambda key, owner: desk.back_up(body.mode, "request", key, owner=owner),
    )


@router.get("", responses=problems(400), summary="List backups")
def backups(call: AdminCall, paging: Paged) -> Page[BackupOut | UnusableBackupOut]:
    """Newest first. One whose manifest cannot be used comes with an `error` in place of everything else."""
    window = call.parts.catalogue.page(cursor=paging.cursor, limit=paging.limit)
    return page_of(map(entry_of, window.items), window, paging.of)


@router.get("/standing", responses=problems(), summary="How backups stand")
def standing(call: AdminCall) -> StandingOut:
    """The last backup, verification, rehearsal, restore and prune, and the last of each that succeeded."""
    return StandingOut.of(call.parts.standing.words())


@router.post(
    "/prune",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(),
    openapi_extra=_HEADERS,
    summary="Remove backups that need not be kept",
)
async def prune(call: AdminCall) -> Response:
    """By BACKUP_KEEP_HOURLY_DAYS and BACKUP_KEEP_DAYS; also what broken backups have left in the bucket."""
    return await _submitted(
        call, {}, lambda key, owner: call.parts.submissions.backups.prune(key, owner=owner)
    )


@router.get("/{backup}", responses=problems(404, 409), summary="One backup")
def backup(
    call: AdminCall,
    backup: Backup,
    at: Annotated[
        Moment | None, Query(description=f"With `{LATEST}`: of those that were finished by then")
    ] = None,
) -> WholeBackupOut:
    """409 when its manifest is damaged, or was made with another BACKUP_KEY."""
    catalogue = call.parts.catalogue
    if backup == LATEST:
        return WholeBackupOut.of(catalogue.latest(before=None if at is None else seconds_of(at)))
    if at is not None:
        raise InvalidRequest(f"at: goes with {LATEST} alone")
    return WholeBackupOut.of(catalogue.entry(backup))


@router.post(
    "/{backup}/verify",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(404, 409),
    openapi_extra=_HEADERS,
    summary="Verify a backup",
)
async def verify(call: AdminCall, backup: Backup) -> Response:
    """Every object of it is read again, and compared with its checksum."""
    desk = call.parts.submissions.backups
    return await _submitted(call, {}, lambda key, owner: desk.verify(backup, key, owner=owner))


@router.post(
    "/{backup}/rehearse",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(404, 409),
    openapi_extra=_HEADERS,
    summary="Rehearse a restore",
)
async def rehearse(call: AdminCall, backup: Backup) -> Response:
    """The backup is restored beside what serves, its counts, digests and hits are compared, and it is
    dropped again."""
    desk = call.parts.submissions.backups
    return await _submitted(call, {}, lambda key, owner: desk.rehearse(backup, key, owner=owner))


@router.post(
    "/{backup}/restore",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(400, 404, 408, 409, 413, 415),
    openapi_extra=submit_of(RestoreIn, required=False),
    summary="Restore a backup",
)
async def restore(call: AdminCall, backup: Backup) -> Response:
    """Into new collections, which take over once all of them are whole: one that fails before that changes
    nothing, one that fails later is to be retried.
    404 for a backup or a collection of it that is not there, 409 where `into` is there already."""
    body = await sent_or_default(call, RestoreIn)
    desk = call.parts.submissions.backups
    return await _submitted(
        call,
        body.model_dump(exclude_unset=True),
        lambda key, owner: desk.restore(body.of(backup), key, owner=owner),
    )
