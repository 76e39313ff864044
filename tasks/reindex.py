"""Changing a collection's embedding model: embed anew beside what serves → compare → switch.

From the first step on everything that is written goes to both layouts (``tasks.layouts``), so the second
one lacks only what was there before, and nothing stops while that is embedded.
"""

import json
from dataclasses import asdict
from time import monotonic

from rag.errors import Conflict, ModelError, NotFound, UnknownCollection
from rag.model import Collection, Json, Layout, LayoutState, SecondLayout, Stage
from rag.ports import is_over
from tasks import cursor as cursors
from tasks.comparison import Comparison, compared
from tasks.cursor import Cursor
from tasks.embedders import require_room
from tasks.layouts import embedder_of, point_alias
from tasks.reembedding import Reembedding
from tasks.sampling import questions_of
from tasks.stage import Done, Next, Outcome, StageRun, stage_work
from tasks.toolbox import Toolbox

SLICE_SECONDS = 5.0
"""For which ingestion waits in its lane at most, and then has its turn for as long, if there is any."""

_PROBE = "Which model embeds this?"
_COMPARISON = "comparison"


@stage_work(Stage.REEMBED)
def reembed(run: StageRun) -> Outcome:
    """Embed what the collection holds into the second layout, a slice at a time."""
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
            return Next(Stage.REEMBED, rest=taken if run.tools.jobs.depth(Stage.EMBED) else 0.0)
    return Next(Stage.COMPARE)


@stage_work(Stage.COMPARE)
def compare(run: StageRun) -> Outcome:
    """Let the second layout serve, if it finds as much as the one that does."""
    tools, collection = run.tools, _collection(run)
    if collection.built_by == run.job.id:
        return _switch(run, collection)
    layout = _own(run, collection)
    cursor = _cursor(run, layout) if layout else None
    if layout is None or cursor is None or not cursor.complete:
        return Next(Stage.REEMBED)
    comparison = compared(tools, collection, layout, cursor.sample, questions_of(tools.jobs, collection.name))
    run.keep(_COMPARISON, json.dumps({**asdict(comparison), "missing": cursor.missing}).encode())
    if comparison.loss > run.job.inputs["tolerance"] and not run.job.inputs["force"]:
        raise Conflict(_too_bad(comparison, collection, layout))
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
    """The second layout, begun if need be, and how far it is. Conflict, ModelError."""
    tools, earlier = run.tools, collection.second
    layout = _own(run, collection)
    if layout is not None:
        return collection, layout, _cursor(run, layout) or Cursor(layout.number)
    wanted = Layout(0, run.job.inputs["model"], run.job.inputs["dimension"], run.job.id)
    _try(tools, wanted)
    after = earlier.layout.job_id if earlier and is_over(tools.jobs, earlier.layout.job_id) else ""
    begun = tools.documents.begin_layout(collection, wanted, after=after)
    layout = _own(run, begun)
    if layout is None:
        raise Conflict(f"The layout of {wanted.embedding_model} was given up: reindex again")
    cursor = _taken_over(tools, earlier, layout)
    cursors.keep(run, cursor)
    return begun, layout, cursor


def _try(tools: Toolbox, layout: Layout) -> None:
    """A real call, before anything is made. ModelError, or Transient when the model is away."""
    embedder = embedder_of(tools, layout)
    require_room(embedder, tools.settings)
    (embedding,) = embedder.embed_queries([_PROBE])
    if len(embedding.dense) != layout.dimension:
        raise ModelError(
            f"{layout.embedding_model} gives {len(embedding.dense)} dimensions, not {layout.dimension}: "
            "ask for as many (--dimension)"
        )


def _taken_over(tools: Toolbox, earlier: SecondLayout | None, layout: Layout) -> Cursor:
    """Where another job left the layout; one that was kept is as complete as the one that serves."""
    if earlier is None or earlier.layout.number != layout.number:
        return Cursor(layout.number)
    if earlier.state is LayoutState.KEPT:
        return Cursor(layout.number, complete=True)
    try:
        return cursors.kept(tools.jobs, earlier.layout.job_id, layout.number)
    except NotFound:
        return Cursor(layout.number)


def _cursor(run: StageRun, layout: Layout) -> Cursor | None:
    try:
        return cursors.kept(run.tools.jobs, run.job.id, layout.number)
    except NotFound:
        return None


def _switch(run: StageRun, collection: Collection) -> Outcome:
    """The layout that this job built serves."""
    point_alias(run.tools.vectors, collection)
    result = {
        "collection": collection.name,
        "embedding_model": collection.embedding_model,
        "dimension": collection.dimension,
        "layout": collection.layout,
        "documents": collection.documents,
        "chunks": collection.chunks,
        **_figures(run),
    }
    return Done(lambda *_: result)


def _figures(run: StageRun) -> Json:
    try:
        figures: Json = json.loads(run.kept(_COMPARISON))
    except NotFound:  # the broker's data was lost after the switch
        return {}
    return figures


def _too_bad(comparison: Comparison, collection: Collection, layout: Layout) -> str:
    return (
        f"Nothing was switched: of {comparison.sentences} sampled sentences, {layout.embedding_model} finds "
        f"the passage of {comparison.recall_after:.0%} among the first ten, {collection.embedding_model} "
        f"that of {comparison.recall_before:.0%}. Reindex again with force (--force) or a larger tolerance, "
        "and it goes on from here; or drop what was embedded (--finish)"
    )
