"""Changing a collection's embedding model: embed again beside the layout that serves → compare → switch.

From the first step on, every write goes to both layouts (``tasks.documents.layouts``). So the second layout
lacks only what was there before, and nothing stops while that is embedded.
"""

import json
from contextlib import suppress
from dataclasses import asdict
from time import monotonic

from rag.errors import Conflict, ModelError, NotFound, UnknownCollection
from rag.model import Collection, Json, Layout, LayoutState, SecondLayout, Stage
from rag.ports import is_over
from tasks.documents.layouts import embedder_of, point_alias, require_room
from tasks.reindex.comparison import compared, questions_of
from tasks.reindex.reembedding import Cursor, Reembedding, load_cursor, save_cursor
from tasks.stages.stage import Done, Next, Outcome, StageRun, stage_work
from tasks.toolbox import Toolbox

SLICE_SECONDS = 5.0
"""How long a slice takes at most. Ingestion waits meanwhile, and then has its turn for as long."""

_PROBE = "Which model embeds this?"
_COMPARISON = "comparison"
_OTHERS_FIRST = "documents that are being embedded: they and the reindex take turns"


@stage_work(Stage.REEMBED)
def reembed(run: StageRun) -> Outcome:
    """Embed the collection into the second layout, a slice at a time."""
    begun = monotonic()
    collection = _collection(run)
    if collection.built_by == run.job.id:
        return _switch(run, collection)
    collection, layout, cursor = _begin(run, collection)
    reembedding = Reembedding(run, collection, layout)
    cursor = reembedding.prepare(cursor)
    while not cursor.complete:
        cursor = reembedding.advance(cursor)
        run.progress(cursor.done, max(cursor.done, collection.documents))
        taken = monotonic() - begun
        if run.cancelled() or (not cursor.complete and (taken > SLICE_SECONDS or run.must_give_way())):
            rest = taken if run.tools.jobs.depth(Stage.EMBED) else 0.0
            return Next(Stage.REEMBED, rest=rest, why=_OTHERS_FIRST if rest else "")
    return Next(Stage.COMPARE)


@stage_work(Stage.COMPARE)
def compare(run: StageRun) -> Outcome:
    """Let the second layout serve, if it finds as much as the one that serves."""
    tools, collection = run.tools, _collection(run)
    if collection.built_by == run.job.id:
        return _switch(run, collection)
    layout = _own(run, collection)
    cursor = load_cursor(tools.jobs, run.job.id, layout.number) if layout else None
    if layout is None or cursor is None or not cursor.complete:
        return Next(Stage.REEMBED)
    comparison = compared(tools, collection, layout, cursor.sample, questions_of(tools.jobs, collection.name))
    run.save(_COMPARISON, json.dumps({**asdict(comparison), "missing": cursor.missing}).encode())
    if comparison.loss > run.job.inputs["tolerance"] and not run.job.inputs["force"]:
        raise Conflict(
            f"Nothing was switched: of {comparison.sentences} sampled sentences, {layout.embedding_model} "
            f"finds the passage of {comparison.recall_after:.0%} among the first ten, "
            f"{collection.embedding_model} that of {comparison.recall_before:.0%}. Reindex again with force "
            "(--force) or a larger tolerance, and it goes on from here; or drop what was embedded (--finish)"
        )
    if not tools.documents.switch_layout(collection, layout.number, under=run.lease):
        return Next(Stage.REEMBED)
    return _switch(run, _collection(run))


def _collection(run: StageRun) -> Collection:
    found = run.tools.documents.collection(run.job.collection)
    if found is None or found.generation != run.job.inputs["generation"]:
        raise UnknownCollection(f"Collection {run.job.collection!r} was deleted while it was being reindexed")
    return found


def _own(run: StageRun, collection: Collection) -> Layout | None:
    """The second layout, if this job builds it."""
    second = collection.second
    return second.layout if second and second.layout.job_id == run.job.id else None


def _begin(run: StageRun, collection: Collection) -> tuple[Collection, Layout, Cursor]:
    """The second layout, which is begun if it is missing, and its progress. Conflict, ModelError."""
    tools, earlier = run.tools, collection.second
    layout = _own(run, collection)
    if layout is not None:
        cursor = load_cursor(tools.jobs, run.job.id, layout.number)
        return collection, layout, cursor or Cursor(layout.number)
    wanted = Layout(0, run.job.inputs["model"], run.job.inputs["dimension"], run.job.id)
    _try_model(tools, wanted)
    after = earlier.layout.job_id if earlier and is_over(tools.jobs, earlier.layout.job_id) else ""
    begun = tools.documents.begin_layout(collection, wanted, after=after)
    layout = _own(run, begun)
    if layout is None:
        raise Conflict(f"The layout of {wanted.embedding_model} was given up: reindex again")
    cursor = _first_cursor(tools, earlier, layout)
    save_cursor(run, cursor)
    return begun, layout, cursor


def _try_model(tools: Toolbox, layout: Layout) -> None:
    """Call the model once, before anything is made. ModelError, or Transient when the model is away."""
    embedder = embedder_of(tools, layout)
    require_room(embedder, tools.settings)
    (embedding,) = embedder.embed_queries([_PROBE])
    if len(embedding.dense) != layout.dimension:
        raise ModelError(
            f"{layout.embedding_model} gives {len(embedding.dense)} dimensions, not {layout.dimension}: "
            "ask for as many (--dimension)"
        )


def _first_cursor(tools: Toolbox, earlier: SecondLayout | None, layout: Layout) -> Cursor:
    """Where another job left the layout. A layout that has served before is complete."""
    if earlier is None or earlier.layout.number != layout.number:
        return Cursor(layout.number)
    if earlier.state is LayoutState.KEPT:
        return Cursor(layout.number, complete=True)
    return load_cursor(tools.jobs, earlier.layout.job_id, layout.number) or Cursor(layout.number)


def _switch(run: StageRun, collection: Collection) -> Outcome:
    """End the job: the layout that it built serves."""
    point_alias(run.tools.vectors, collection)
    result: Json = {
        "collection": collection.name,
        "embedding_model": collection.embedding_model,
        "dimension": collection.dimension,
        "layout": collection.layout,
        "documents": collection.documents,
        "chunks": collection.chunks,
    }
    with suppress(NotFound):  # the broker's data was lost after the switch
        result |= json.loads(run.load(_COMPARISON))
    return Done(lambda *_: result)
