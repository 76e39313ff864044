"""Which jobs wait longer than is usual for their lane, by reason, and what to do about each reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rag.model import Job, Wait, WaitReason
from rag.waits.conditions import Conditions
from rag.waits.diagnosis import wait_of

ADVICE: Mapping[WaitReason, str] = {
    WaitReason.QUEUE: "Wait, or start more workers of the lane",
    WaitReason.TURN: "Wait, or start more workers of the lane; keys take turns, so nobody is left out",
    WaitReason.BELL: "Run `aegis jobs unstick`: it tells the lane's workers of the job",
    WaitReason.NO_WORKER: "Start a worker of the lane: `aegis status` shows which lanes have one",
    WaitReason.WORKER_HUNG: "Restart the lane's workers; their log tells what they did last",
    WaitReason.WORKER_GONE: "Run `aegis jobs unstick`: it lets another worker take the job over at once",
    WaitReason.BROKER: "Look at Redis: `aegis doctor` says what is wrong; jobs go on when it is back",
    WaitReason.VECTOR_ENGINE: "Start the vector engine: `aegis doctor` says whether it answers, and why not",
    WaitReason.MODEL_SERVER: "Start the model's server, or correct its address and key: see `aegis doctor`",
    WaitReason.BLOB_STORE: "Make the store reachable: `aegis doctor` says what it answers",
    WaitReason.SOURCE: "Open the address in a browser; cancel the job when it is wrong",
    WaitReason.RATE_LIMIT: "Wait for the end of the limit, or have it raised at the server's provider",
    WaitReason.DISK: "Make room on the disk: the jobs go on by themselves, and lose no attempt for a day",
    WaitReason.RETRY: "Read the error: `aegis jobs show ID`",
    WaitReason.OTHER_JOB: "Wait for the other job; `aegis jobs` shows it",
    WaitReason.RECORDS: "Wait: the maintenance lane rebuilds the records; its log tells how far it is",
    WaitReason.DEADLINE: "Nothing: the job ends as failed within a minute",
    WaitReason.BEAT: "Start beat: without it no backup is begun, and no job ends whose deadline has passed",
}
"""What to do about jobs that wait for this reason."""


@dataclass(frozen=True, slots=True)
class WaitingJob:
    job: Job
    wait: Wait


@dataclass(frozen=True, slots=True)
class StuckGroup:
    """Jobs that wait for the same reason, the longest waiting first."""

    reason: WaitReason
    advice: str
    jobs: tuple[WaitingJob, ...]


def waiting_jobs(jobs: Iterable[Job], conditions: Conditions) -> list[WaitingJob]:
    """Those of ``jobs`` that wait, the longest waiting first."""
    found = ((job, wait_of(job, conditions)) for job in jobs)
    waiting = (WaitingJob(job, wait) for job, wait in found if wait is not None)
    return sorted(waiting, key=lambda each: each.wait.since)


def group_stuck(jobs: Iterable[Job], conditions: Conditions) -> list[StuckGroup]:
    """Those of ``jobs`` that wait longer than is usual at their stage, by reason, the largest group first.

    While beat shows no sign of life, it has a group, since jobs that are not even submitted wait for it.
    """
    groups: dict[WaitReason, list[WaitingJob]] = {} if conditions.signs.beats else {WaitReason.BEAT: []}
    for each in waiting_jobs(jobs, conditions):
        if conditions.now - each.wait.since > conditions.usual_wait(each.job.stage):
            groups.setdefault(each.wait.reason, []).append(each)
    found = [StuckGroup(reason, ADVICE[reason], tuple(its)) for reason, its in groups.items()]
    return sorted(found, key=lambda group: -len(group.jobs))
