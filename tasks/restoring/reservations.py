"""Generations that nobody needs any more are given up: loaded in vain, or replaced.

What a restore has replaced is what its replay reads, so it stays until the restore has succeeded or is
forgotten: one that died, or was cancelled, can be retried.
"""

from rag.model import Hold, JobState, Reservation
from rag.naming import DOCUMENT_FOLDERS, generation_name, scratch_job
from rag.ports import BlobStore, is_over
from tasks.bells import ring_for
from tasks.purging import accept_purge
from tasks.toolbox import Toolbox


def give_up_reservations(tools: Toolbox) -> int:
    """How many generations were handed to a job that purges them."""
    needless = [each for each in tools.documents.reservations() if _is_needless(tools, each)]
    spent = [each for each in needless if tools.documents.give_up(each)]
    for reservation in spent:
        give_up(tools, reservation)
        tools.documents.release(reservation)
    return len(spent)


def _is_needless(tools: Toolbox, reservation: Reservation) -> bool:
    job = tools.jobs.get(reservation.job_id)
    if job is None or reservation.hold is Hold.SPENT:
        return True
    return job.state is JobState.SUCCEEDED if reservation.hold is Hold.REPLACED else job.state.final


def give_up(tools: Toolbox, reservation: Reservation) -> None:
    """Have everything of the generation purged."""
    accepted = accept_purge(tools.jobs, reservation)
    if accepted.new:
        ring_for(accepted.job)


def give_up_earlier(tools: Toolbox, serving: Reservation) -> None:
    """Have whatever is there of generations before this one purged, their reservations being lost."""
    for generation in range(1, serving.generation):
        earlier = Reservation(serving.collection, generation, serving.job_id)
        if _is_stored(tools.blobs, earlier):
            give_up(tools, earlier)


def drop_scratch(tools: Toolbox, stores: tuple[str, ...]) -> int:
    """How many stores were dropped in which jobs that are over had tried something."""
    spare = [store for store in stores if (job := scratch_job(store)) and is_over(tools.jobs, job)]
    for store in spare:
        tools.vectors.drop(store)
    return len(spare)


def _is_stored(blobs: BlobStore, reservation: Reservation) -> bool:
    name = generation_name(reservation.collection, reservation.generation)
    return any(True for sort in DOCUMENT_FOLDERS for _ in blobs.keys(f"{sort}/{name}"))
