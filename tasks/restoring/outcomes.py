"""What restores and rehearsals come to."""

from time import time

from rag.model import Job, JobKind, Json
from tasks.restoring.candidates import Candidate, Plan
from tasks.run import StageRun


def result_of(run: StageRun, job: Job, plan: Plan) -> Json:
    """Of each collection and in all: documents, points, golden queries and the mean overlap of their hits."""
    collections = [_collection(run, job, each) for each in plan.candidates]
    golden = [each["golden"] for each in collections]
    asked = sum(each["asked"] for each in golden)
    result: Json = {
        "backup": job.inputs["backup"],
        "collections": collections,
        "documents": sum(each["documents"] for each in collections),
        "points": sum(each["points"] for each in collections),
        "golden": asked,
        "overlap": round(sum(each["asked"] * each["overlap"] for each in golden) / asked, 4)
        if asked
        else 1.0,
        "bytes": plan.bytes,
        "seconds": taken(job),
    }
    return result | _replayed(plan) if job.kind is JobKind.RESTORE else result


def taken(job: Job) -> float:
    """Seconds since the job was begun."""
    return round(time() - (job.started_at or job.created_at), 3)


def _collection(run: StageRun, job: Job, candidate: Candidate) -> Json:
    found = run.tools.documents.collection(candidate.name) if candidate.resumed else None
    figures = candidate.figures
    if found is not None:  # the broker's data was lost after the switch, and what was compared with them
        none: Json = {"asked": 0, "same": 0, "overlap": 1.0}
        figures = {"documents": found.documents, "points": found.chunks, "golden": none}
    return {
        "name": candidate.saved,
        "into": job.inputs.get("into"),
        "generation": candidate.generation,
        **figures,
    }


def _replayed(plan: Plan) -> Json:
    return {
        "jobs": plan.jobs,
        "dead_letters": plan.dead_letters,
        "keys": plan.keys,
        "replayed": plan.replayed,
        "reingested": plan.reingested,
        "not_replayed": list(plan.not_replayed),
        "undeleted": list(plan.undeleted),
        "missing": list(plan.missing),
    }
