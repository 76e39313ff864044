"""Restores the job records and keys of a backup that are missing here.

Keys come back suspended, since the backup does not know which of them were revoked after it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from rag.backups.packs import OpenBackup
from rag.journal.entries import JobFields, opening_of, over
from rag.journal.journal import journalled
from rag.model import JobKind, JobState, Json, SavedCollection
from rag.naming import generation_name
from tasks.backups.plan import Plan, PlannedCollection, Slice, save_plan
from tasks.documents.blob_keys import source_key
from tasks.stages.run import StageRun

_BATCH = 200


def restore_jobs(run: StageRun, backup: OpenBackup, plan: Plan, turn: Slice) -> tuple[Plan, bool]:
    """Make the records that are missing; return the plan, and whether it is complete.

    The lanes' canaries find the jobs that are not over.
    """
    collections = {each.saved: each for each in plan.collections}
    missing = (_moved(fields, backup, collections) for fields in missing_jobs(run, backup))
    while batch := list(islice(missing, _BATCH)):
        if turn.over(run):
            return plan, False
        _restore_batch(run, batch)
        dead = sum(fields.get("state") == JobState.DEAD for fields in batch)
        plan = replace(plan, jobs=plan.jobs + len(batch), dead_letters=plan.dead_letters + dead)
        plan = save_plan(run, plan)
    if run.job.inputs["collection"] is None:
        _restore_dropped(run, backup)
    return plan, True


def missing_jobs(run: StageRun, backup: OpenBackup) -> Iterator[JobFields]:
    """Jobs of the restored collections that have no record here, and whose retention has not ended."""
    only, restoration = run.job.inputs["collection"], run.tools.restoration.jobs
    wanted = (each for each in backup.jobs() if only in (None, each["collection"]))
    while batch := list(islice(wanted, _BATCH)):
        states = restoration.states([each["id"] for each in batch])
        yield from (each for each in batch if states[each["id"]] is None and not restoration.outlived(each))


def sources_of(run: StageRun, backup: OpenBackup, collections: Iterable[SavedCollection]) -> dict[str, str]:
    """The sources that missing jobs of the collections may still need: by key, the job."""
    folders = {each.name: generation_name(each.name, each.generation) for each in collections}
    return {
        source_key(folders[each["collection"]], each["id"]): f"job {each['id']}"
        for each in missing_jobs(run, backup)
        if each["kind"] == JobKind.INGEST and each.get("state") != JobState.SUCCEEDED
        if each["collection"] in folders
    }


def _restore_batch(run: StageRun, batch: list[JobFields]) -> None:
    """Write the journal's entries before the records: as long as a record is missing, both are made again.

    A rebuild in between makes the records from the entries, which is right.
    """
    restoration = run.tools.restoration
    for fields in batch:
        if journalled(run.tools.settings, JobKind(fields["kind"])):
            if over(fields):
                restoration.journal.end(partial(dict, fields))
            else:
                restoration.journal.open(opening_of(fields))
    restoration.documents.note_versions(batch)
    restoration.jobs.restore(batch)


def _restore_dropped(run: StageRun, backup: OpenBackup) -> None:
    """Restore entries of dropped collections, so that none of their generations is used again."""
    restoration = run.tools.restoration
    known = {each.name for each in restoration.journal.collections()}
    for entry in backup.entries():
        if entry.dropped and entry.name not in known and run.tools.documents.collection(entry.name) is None:
            forgotten = replace(entry, unpurged="")
            restoration.documents.collection(forgotten)
            restoration.journal.put_collection(forgotten)


def _moved(fields: JobFields, backup: OpenBackup, collections: Mapping[str, PlannedCollection]) -> JobFields:
    """The job with the generation and the blobs of its restored collection."""
    planned = collections.get(fields["collection"])
    inputs: Json = json.loads(fields["inputs"])
    if planned is None or inputs.get("generation") != backup.collection(planned.saved).generation:
        return fields
    return {**fields, "inputs": json.dumps(moved_inputs(inputs, planned), separators=(",", ":"))}


def moved_inputs(inputs: Json, planned: PlannedCollection) -> Json:
    """The inputs of a job, moved to the planned collection's generation."""
    changes: dict[str, Any] = {"generation": planned.generation}
    if "source_key" in inputs:
        changes["source_key"] = planned.own(inputs["source_key"])
    if "blobs" in inputs:
        changes["blobs"] = [planned.own(key) for key in inputs["blobs"]]
    return {**inputs, **changes}


def restore_keys(run: StageRun, backup: OpenBackup) -> int:
    """Restore the keys that are unknown here, suspended until an admin activates them; return how many.

    The journal's entries come before the records: as long as a record is missing, both are made again.
    """
    restoration, count = run.tools.restoration, 0
    known = restoration.keys.known()
    missing = (key.suspended(backup.manifest.id) for key in backup.made_keys() if key.id not in known)
    while batch := list(islice(missing, _BATCH)):
        for key in batch:
            restoration.journal.put_key(key)
        count += restoration.keys.restore(batch)
    return count
