"""Layouts that nobody wants any more are ended, stores without a layout dropped, aliases put right.

What restores have left, and what they have replaced, is given up as well.

Whoever ends or switches a layout only says so in the registry; what follows for the vector store
happens here, again until it is done. So nobody has to reach both at once.
"""

import logging
from collections.abc import Sequence, Set
from time import time

from rag.errors import Transient
from rag.model import Collection, JobState, LayoutState
from rag.naming import generation_of
from tasks.app import app
from tasks.layouts import point_alias
from tasks.restoring.reservations import drop_scratch, give_up_reservations
from tasks.toolbox import Toolbox

SECONDS = 120.0  # that one run may take

log = logging.getLogger(__name__)


@app.task(name="aegis.maintenance.layouts")
def keep_layouts() -> str:
    """End the layouts whose time is over, drop stores without a layout, point aliases to what serves."""
    tools = app.toolbox
    with tools.jobs.alone("layouts", seconds=SECONDS) as alone:
        if not alone:
            return "another worker is at it"
        try:
            return f"stores dropped: {put_in_order(tools)}"
        except Transient as error:
            log.warning("layouts are looked after later: %s", error)
            return f"later: {error}"


def put_in_order(tools: Toolbox) -> int:
    """How many stores were dropped.

    Stores are listed before the registry is read, and reservations before collections: whatever is listed
    then is reserved or has its layout there, or never will again.
    """
    give_up_reservations(tools)
    stores = tools.vectors.collections()
    reserved = {(each.collection, each.generation) for each in tools.documents.reservations()}
    dropped = drop_scratch(tools, stores)
    for each in tools.documents.collections():
        collection = _without_second(tools, each) if _outlived(tools, each) else each
        unused = _unused(collection, stores, reserved)
        for store in unused:
            tools.vectors.drop(store)
        if collection.store in stores and (collection.second or unused):
            point_alias(tools.vectors, collection)
        dropped += len(unused)
    return dropped


def _unused(collection: Collection, stores: tuple[str, ...], reserved: Set[tuple[str, int]]) -> Sequence[str]:
    """Stores of the collection that are no layout of it; of another generation if no job has it in hand."""
    used = {collection.store_of(layout) for layout in collection.layouts}
    spare = []
    for store in stores:
        generation = generation_of(store, collection.name)
        if generation is not None and store not in used and (collection.name, generation) not in reserved:
            spare.append(store)
    return spare


def _outlived(tools: Toolbox, collection: Collection) -> bool:
    """Whether nobody will go on with the second layout, or go back to it."""
    second, oldest = collection.second, time() - tools.settings.reindex_keep_hours * 3600
    if second is None:
        return False
    if second.state is LayoutState.KEPT:
        return second.since <= oldest
    job = tools.jobs.get(second.layout.job_id)
    if job is None or job.state is JobState.CANCELLED:
        return True
    return job.state.final and (job.finished_at or 0.0) <= oldest


def _without_second(tools: Toolbox, collection: Collection) -> Collection:
    if collection.second is not None:
        tools.documents.end_layout(collection, collection.second.layout.number)
        log.info(
            "collection %s: the vectors of %s are given up",
            collection.name,
            collection.second.layout.embedding_model,
        )
    return tools.documents.collection(collection.name) or collection
