"""/v1/backups: make, list, verify, rehearse, restore and prune them.

A backup holds every collection, so all of this needs an admin whose key reaches all of them.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from api.calls.auth import AdminCall
from api.calls.json_body import read_optional_body
from api.calls.openapi import body_of, problems, submit_route
from api.calls.submission import submit_idempotently
from api.schemas.answers import Page, page_of
from api.schemas.backups import (
    BackupIn,
    BackupOut,
    Moment,
    RestoreIn,
    StandingOut,
    UnusableBackupOut,
    WholeBackupOut,
    seconds_of,
)
from api.schemas.paging import Paged
from rag.backups.listing import Listed
from rag.errors import InvalidRequest
from rag.model import LATEST

router = APIRouter(prefix="/v1/backups", tags=["backups"])

Backup = Annotated[str, Path(description=f"A backup's id, or `{LATEST}`: the newest that has documents")]


@router.post(
    "", **submit_route(400, 408, 413, 415, body=body_of(BackupIn, required=False)), summary="Make a backup"
)
async def back_up(call: AdminCall) -> Response:
    """`result` has the backup's id, its counts and its size. `progress` counts bytes."""
    body = await read_optional_body(call, BackupIn)
    backups = call.parts.submissions.backups
    return await submit_idempotently(
        call,
        body.model_dump(exclude_unset=True),
        lambda key, owner: backups.back_up(body.mode, "request", key, owner=owner),
    )


@router.get("", responses=problems(400), summary="List backups")
def backups(call: AdminCall, paging: Paged) -> Page[BackupOut | UnusableBackupOut]:
    """Newest first. One whose manifest cannot be used has an `error` in place of everything else."""
    window = call.parts.listing.page(cursor=paging.cursor, limit=paging.limit)
    shown = (
        BackupOut.of(entry) if isinstance(entry, Listed) else UnusableBackupOut.of(entry)
        for entry in window.items
    )
    return page_of(shown, window, paging.path)


@router.get("/standing", responses=problems(), summary="How backups stand")
def standing(call: AdminCall) -> StandingOut:
    """The last backup, verification, rehearsal, restore and prune, and the last of each that succeeded."""
    return StandingOut.of(call.parts.backup_status.results())


@router.post("/prune", **submit_route(), summary="Remove backups that need not be kept")
async def prune(call: AdminCall) -> Response:
    """By BACKUP_KEEP_HOURLY_DAYS and BACKUP_KEEP_DAYS; also what broken backups have left in the bucket."""
    backups = call.parts.submissions.backups
    return await submit_idempotently(call, {}, lambda key, owner: backups.prune(key, owner=owner))


@router.get("/{backup}", responses=problems(404, 409), summary="One backup")
def backup(
    call: AdminCall,
    backup: Backup,
    at: Annotated[
        Moment | None, Query(description=f"With `{LATEST}`: of those that were finished by then")
    ] = None,
) -> WholeBackupOut:
    """409 when its manifest is damaged, or was made with another BACKUP_KEY."""
    listing = call.parts.listing
    if backup == LATEST:
        return WholeBackupOut.of(listing.latest(before=seconds_of(at)))
    if at is not None:
        raise InvalidRequest(f"at: goes with {LATEST} alone")
    return WholeBackupOut.of(listing.entry(backup))


@router.post("/{backup}/verify", **submit_route(404, 409), summary="Verify a backup")
async def verify(call: AdminCall, backup: Backup) -> Response:
    """Every object of it is read again, and compared with its checksum."""
    backups = call.parts.submissions.backups
    return await submit_idempotently(call, {}, lambda key, owner: backups.verify(backup, key, owner=owner))


@router.post("/{backup}/rehearse", **submit_route(404, 409), summary="Rehearse a restore")
async def rehearse(call: AdminCall, backup: Backup) -> Response:
    """The backup is restored beside the collections in use, its counts, digests and hits are compared, and
    the copy is deleted again."""
    backups = call.parts.submissions.backups
    return await submit_idempotently(call, {}, lambda key, owner: backups.rehearse(backup, key, owner=owner))


@router.post(
    "/{backup}/restore",
    **submit_route(400, 404, 408, 409, 413, 415, body=body_of(RestoreIn, required=False)),
    summary="Restore a backup",
)
async def restore(call: AdminCall, backup: Backup) -> Response:
    """Into new collections, which replace the old ones once all of them are complete: a restore that fails
    before that changes nothing; one that fails later is to be retried.
    404 for a backup or a collection of it that does not exist, 409 where `into` exists already."""
    body = await read_optional_body(call, RestoreIn)
    backups = call.parts.submissions.backups
    return await submit_idempotently(
        call,
        body.model_dump(exclude_unset=True),
        lambda key, owner: backups.restore(body.of(backup), key, owner=owner),
    )
