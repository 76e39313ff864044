"""Restores a backup: verify it, load it beside what serves, compare, switch, replay what came later.

A verification ends after the first of these stages, a rehearsal after the comparison. Nothing that serves
is touched before the switch, which is one step for each collection (``docs/decisions/0020-restore.md``).
"""

from dataclasses import replace
from math import inf
from time import time

from rag.backups.packs import OpenBackup
from rag.errors import Overloaded
from rag.model import Hold, Job, JobKind, Json, Stage
from tasks.backups import restored_jobs
from tasks.backups.check import Checking
from tasks.backups.load import Loading
from tasks.backups.plan import Plan, PlannedCollection, Slice, Tally, load_plan, make_plan, save_plan
from tasks.backups.replay import ChangesSinceBackup, Replay
from tasks.backups.restored_jobs import restore_jobs
from tasks.backups.switch import Switch
from tasks.backups.verify import verify_objects
from tasks.stages.retry_while_away import patient
from tasks.stages.run import Done, Next, Outcome, StageRun
from tasks.stages.stage import stage_work
from tasks.submit.submissions import Submissions
from tasks.upkeep.layouts import give_up_earlier


def result_of(run: StageRun, job: Job, plan: Plan) -> Json:
    """The result of a restore or rehearsal: its figures for each collection and in all."""
    collections = [_result_of_collection(run, job, each) for each in plan.collections]
    golden = [each["golden"] for each in collections]
    asked = sum(each["asked"] for each in golden)
    overlap = sum(each["asked"] * each["overlap"] for each in golden) / asked if asked else 1.0
    result: Json = {
        "backup": job.inputs["backup"],
        "collections": collections,
        "documents": sum(each["documents"] for each in collections),
        "points": sum(each["points"] for each in collections),
        "golden": asked,
        "overlap": round(overlap, 4),
        "bytes": plan.bytes,
        "seconds": seconds_taken(job),
    }
    if job.kind is not JobKind.RESTORE:
        return result
    lines = {name: list(getattr(plan, name)) for name in ("not_replayed", "undeleted", "missing")}
    counts = {
        name: getattr(plan, name) for name in ("jobs", "dead_letters", "keys", "replayed", "reingested")
    }
    return {**result, **counts, **lines}


def seconds_taken(job: Job) -> float:
    """Seconds since the job was begun."""
    return round(time() - (job.started_at or job.created_at), 3)


def _result_of_collection(run: StageRun, job: Job, planned: PlannedCollection) -> Json:
    found = run.tools.documents.collection(planned.name) if planned.resumed else None
    figures = planned.figures
    if found is not None:  # the broker lost its data after the switch, and the figures with it
        none: Json = {"asked": 0, "same": 0, "overlap": 1.0}
        figures = {"documents": found.documents, "points": found.chunks, "golden": none}
    return {
        "name": planned.saved,
        "into": job.inputs.get("into"),
        "generation": planned.generation,
        **figures,
    }


SETTLE_SECONDS = 10.0
"""How long after the switch a submit may still arrive that has read the former collection's record."""

CHECK_SECONDS = 30.0
"""Of a slice that scrolls; longer than others, since it saves all its digests at its end."""

REST = 2.0


@stage_work(Stage.VERIFY)
@patient
def verify(run: StageRun) -> Outcome:
    """Read again every object that the job needs."""
    run.tools.vault.probe()
    backup = _backup(run)
    found = verify_objects(run, backup, Slice())
    if found is None:
        return Next(Stage.VERIFY)
    if run.job.kind is not JobKind.VERIFY:
        return Next(Stage.LOAD)
    return Done(lambda job, _: {"backup": backup.manifest.id, **found.figures, "seconds": seconds_taken(job)})


@stage_work(Stage.LOAD)
@patient
def load(run: StageRun) -> Outcome:
    """Make stores, and restore points and blobs, beside what serves."""
    backup = _backup(run)
    plan = load_plan(run) or make_plan(run, backup.manifest)
    loading = Loading(run, backup)
    waiting = [each for each in plan.collections if not each.loaded]
    if waiting:
        loading.points(plan, waiting[0], Slice())
        return Next(Stage.LOAD)
    if run.job.kind is JobKind.RESTORE:
        plan, complete = loading.blobs(plan, Slice())
        if not complete:
            return Next(Stage.LOAD)
    return Next(Stage.CHECK)


@stage_work(Stage.CHECK)
@patient
def check(run: StageRun) -> Outcome:
    """Compare what was loaded with what was saved."""
    backup, plan = _backup(run), load_plan(run)
    if plan is None:
        return Next(Stage.LOAD)
    planned = next((each for each in plan.collections if not (each.checked or each.serves)), None)
    if planned is not None:
        checking = Checking(run, backup, planned, backup.collection(planned.saved))
        if found := checking.check(Slice(CHECK_SECONDS)):
            save_plan(run, plan.having(found))
        return Next(Stage.CHECK)
    if run.job.kind is JobKind.RESTORE:
        return Next(Stage.SWITCH)
    # A rehearsal ends here, and leaves nothing.
    for each in plan.collections:
        run.tools.vectors.drop(each.store)
    return Done(lambda job, _: result_of(run, job, plan))


@stage_work(Stage.SWITCH)
@patient
def switch(run: StageRun) -> Outcome:
    """Let what was loaded serve, and bring missing job records back."""
    backup, plan = _backup(run), load_plan(run)
    if plan is None:
        return Next(Stage.LOAD)
    turn, switching = Slice(), Switch(run, backup)
    plan, complete = switching.stage(plan, turn)
    if complete and run.holds():
        plan, complete = switching.switch(plan)
    if not complete or run.cancelled():
        return Next(Stage.SWITCH)
    if run.job.inputs["into"] is None:
        plan, complete = restore_jobs(run, backup, plan, turn)
        if not complete:
            return Next(Stage.SWITCH)
        if run.job.inputs["collection"] is None:
            plan = replace(plan, keys=plan.keys + restored_jobs.restore_keys(run, backup))
    save_plan(run, replace(plan, switched_at=time()))
    return Next(Stage.REPLAY)


@stage_work(Stage.REPLAY)
@patient
def replay(run: StageRun) -> Outcome:
    """Do again what was accepted after the backup."""
    plan = load_plan(run)
    if plan is None:
        return Next(Stage.LOAD)
    tools = run.tools
    submissions = Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs)
    plan, complete = _replay(run, plan, submissions)
    # Something may still be accepted for a generation that the restore has replaced.
    own = (each for each in tools.documents.reservations() if each.job_id == run.job.id)
    replaced = any(each.hold is Hold.REPLACED for each in own)
    settling = SETTLE_SECONDS if replaced and _until(run, _backup(run)) == inf else 0.0
    if not complete or time() < plan.switched_at + settling:
        return Next(Stage.REPLAY, rest=REST, why="the end of what was accepted during the restore")
    for planned in plan.collections:
        if planned.resumed:
            give_up_earlier(tools, planned.reservation(run.job.id))
    return Done(lambda job, _: result_of(run, job, plan), after=submissions.layouts.look_after)


def _replay(run: StageRun, plan: Plan, submissions: Submissions) -> tuple[Plan, bool]:
    """Replay into every collection that serves; whether it is complete.

    It is not while too many jobs are open to submit more, or while some jobs just changed.
    """
    backup, tally, overloaded = _backup(run), Tally(), False
    until = _until(run, backup)
    try:
        for planned in plan.collections:
            collection = run.tools.documents.collection(planned.name)
            if collection is None or collection.generation != planned.generation:
                continue  # it was dropped or replaced meanwhile
            later = ChangesSinceBackup()
            if run.job.inputs["into"] is None:
                later = ChangesSinceBackup.find(run, backup, planned, until)
            replaying = Replay(run, backup, submissions, planned, later, tally)
            replaying.late_documents()
            replaying.later_jobs()
    except Overloaded:
        overloaded = True
    return save_plan(run, plan.counting(tally)), not (overloaded or tally.unsettled)


def _until(run: StageRun, backup: OpenBackup) -> float:
    """The time up to which accepted jobs are replayed."""
    inputs = run.job.inputs
    return inputs["at"] or inf if inputs["replay"] else backup.manifest.began_at


def _backup(run: StageRun) -> OpenBackup:
    vault = run.tools.vault
    return OpenBackup(vault, vault.manifest(run.job.inputs["backup"]))
