"""Upkeep of layouts: unused layouts are ended, stores without a layout dropped, aliases corrected.

What restores left, and what they replaced, is removed as well.

A caller that ends or switches a layout changes only the registry. The vector store follows here, again and
again until it is done. So no caller has to reach both at once.

Generations that nobody needs any more are given up: loaded in vain, or replaced.

What a restore has replaced is what its replay reads, so it stays until the restore has succeeded or is
forgotten: one that died, or was cancelled, can be retried.
"""

import logging
from collections.abc import Sequence, Set
from time import time

from rag.errors import Transient
from rag.model import Collection, Hold, JobState, LayoutState, Reservation, SecondLayout
from rag.naming import DOCUMENT_FOLDERS, generation_name, generation_of, scratch_job
from rag.ports import BlobStore, is_over
from tasks.app import app
from tasks.documents.layouts import point_alias
from tasks.documents.purge_jobs import accept_purge
from tasks.publishing.bells import ring_for
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


SECONDS = 120.0
"""How long one run may take."""

log = logging.getLogger(__name__)


@app.task(name="aegis.maintenance.layouts")
def keep_layouts() -> str:
    """End layouts whose time is over, drop stores without a layout, point aliases to what serves."""
    tools = app.toolbox
    with tools.jobs.alone("layouts", seconds=SECONDS) as alone:
        if not alone:
            return "another worker looks after the layouts"
        try:
            return f"stores dropped: {put_in_order(tools)}"
        except Transient as error:
            log.warning("the layouts are looked after later: %s", error)
            return f"later: {error}"


def put_in_order(tools: Toolbox) -> int:
    """Returns how many stores were dropped.

    The order matters: stores are listed first, then reservations, then collections. So a store that is listed
    has a reservation or a layout by then, or never gets one again.
    """
    give_up_reservations(tools)
    stores = tools.vectors.collections()
    reserved = {(each.collection, each.generation) for each in tools.documents.reservations()}
    dropped = drop_scratch(tools, stores)
    for each in tools.documents.collections():
        collection = each
        if each.second is not None and _is_outlived(tools, each.second):
            tools.documents.end_layout(each, each.second.layout.number)
            log.info(
                "collection %s: the vectors of %s are given up",
                each.name,
                each.second.layout.embedding_model,
            )
            collection = tools.documents.collection(each.name) or each
        unused = _unused(collection, stores, reserved)
        for store in unused:
            tools.vectors.drop(store)
        if collection.store in stores and (collection.second or unused):
            point_alias(tools.vectors, collection)
        dropped += len(unused)
    return dropped


def _unused(collection: Collection, stores: tuple[str, ...], reserved: Set[tuple[str, int]]) -> Sequence[str]:
    """Stores of the collection that are no layout of it, and belong to no generation that is reserved."""
    used = {collection.store_of(layout) for layout in collection.layouts}
    spare = []
    for store in stores:
        generation = generation_of(store, collection.name)
        if generation is not None and store not in used and (collection.name, generation) not in reserved:
            spare.append(store)
    return spare


def _is_outlived(tools: Toolbox, second: SecondLayout) -> bool:
    """Whether no job will go on with the second layout, and nobody can go back to it."""
    oldest = time() - tools.settings.reindex_keep_hours * 3600
    if second.state is LayoutState.KEPT:
        return second.since <= oldest
    job = tools.jobs.get(second.layout.job_id)
    if job is None or job.state is JobState.CANCELLED:
        return True
    return job.state.final and (job.finished_at or 0.0) <= oldest
