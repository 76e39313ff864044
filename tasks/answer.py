"""Answering: embed the question → search → rerank → generate."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from rag import artefacts, lexical
from rag.bounds import bounded
from rag.errors import NotFound, TimedOut, UnknownCollection
from rag.model import (
    Answer,
    Candidate,
    Collection,
    DocumentVersion,
    Embedding,
    Hit,
    SearchQuery,
    Stage,
)
from rag.ports import GenerationRequest, RerankRequest
from tasks.embedders import embedder_for, tenant_of
from tasks.known_answers import cacheable, keeping, recall
from tasks.layouts import serving_store
from tasks.results import is_not_found, result_of, with_pending, with_times
from tasks.stage import Done, Next, Outcome, Shared, StageRun, Steps, stage_work
from tasks.toolbox import Toolbox

_PENDING = "pending"
ROUNDS = 5  # searches at most until no hit is of a version that was replaced meanwhile


@stage_work(Stage.EMBED_QUERY, together=True)
def embed_query(run: StageRun) -> Steps:
    """The question's vectors, unless its answer is known."""
    tools, job = run.tools, run.job
    collection = tools.documents.collection(job.collection)
    if known := recall(run, collection):
        return known
    fresh, tenant = not cacheable(job, tools.settings), tenant_of(job, tools.settings)
    embedder = embedder_for(tools, collection, fresh=fresh, tenant=tenant)
    (embedding,) = yield Shared(embedder.embed_queries, [job.inputs["question"]])
    run.keep("query", artefacts.pack_query(serving_store(collection), embedding))
    return Next(Stage.SEARCH)


@stage_work(Stage.SEARCH, together=True)
def search(run: StageRun) -> Outcome:
    """The passages that fit best, of versions to be seen now: ``top_k``, or what reranking wants."""
    inputs = run.job.inputs
    store, embedding = _query(run)
    query = SearchQuery(
        dense=embedding.dense,
        sparse=lexical.encode_question(inputs["question"]),
        limit=max(inputs["top_k"], run.tools.reranker.least_candidates),
        where=inputs["where"],
    )
    if pending := run.tools.jobs.coming(run.job.collection):  # before the search, lest it is said of none
        run.keep(_PENDING, str(pending).encode())
    collection = run.tools.documents.collection(run.job.collection)
    if serving_store(collection) != store:
        return Next(Stage.EMBED_QUERY)
    hits = [] if collection is None else visible_hits(run.tools, collection, query)
    if not hits and serving_store(run.tools.documents.collection(run.job.collection)) != store:
        return Next(Stage.EMBED_QUERY)
    run.keep("hits", artefacts.pack_hits(bounded(hits)))
    return Next(Stage.RERANK)


@stage_work(Stage.RERANK, together=True)
def rerank(run: StageRun) -> Steps:
    """The best ``top_n`` hits by relevance; back to the search when one was replaced meanwhile."""
    tools, inputs = run.tools, run.job.inputs
    hits = artefacts.unpack_hits(run.kept("hits"))
    store, query = _query(run)
    candidates = _candidates(run, store, hits, reads_vectors=tools.reranker.reads_vectors)
    if len(candidates) < len(hits):
        return Next(Stage.SEARCH)
    request = RerankRequest(inputs["question"], query, tuple(candidates))
    (relevance,) = yield Shared(tools.reranker.relevance, [request])
    rated = [Hit(c.hit.passage, score) for c, score in zip(candidates, relevance, strict=True)]
    best = sorted(rated, key=lambda hit: hit.score, reverse=True)[: inputs["top_n"]]
    if not inputs["generate"]:
        return _done(run, best)
    run.keep("best", artefacts.pack_hits(best))
    return Next(Stage.GENERATE)


@stage_work(Stage.GENERATE)
def generate(run: StageRun) -> Outcome:
    """The answer, from the best hits alone."""
    generator = run.tools.generator
    best = artefacts.unpack_hits(run.kept("best"))
    store, query = _query(run)
    request = GenerationRequest(
        question=run.job.inputs["question"],
        query=query,
        passages=_passages(run, store, best, reads_vectors=generator.reads_vectors),
        emit=run.token,
        cancelled=lambda: run.cancelled() or run.overdue(),
    )
    answer = generator.answer(request)
    if run.overdue():
        raise TimedOut("the answer was not finished")
    return _done(run, best, (generator.name, answer))


def visible_hits(tools: Toolbox, collection: Collection, query: SearchQuery) -> list[Hit]:
    """Search until every hit is of the version that is to be seen now.

    Points of a version on its way in, of a replaced or of a deleted one may still be in
    the store. They are excluded and the search repeated, and what was excluded is judged
    anew each time, so that a version that was published in between is found.
    """
    hits: list[Hit] = []
    for _ in range(ROUNDS):
        hits = _search(tools, collection, query)
        found = {DocumentVersion(h.passage.document_id, h.passage.version) for h in hits}
        stale = set(tools.documents.stale(collection.name, found | set(query.exclude)))
        if stale == set(query.exclude):
            return hits
        query = replace(query, exclude=tuple(stale))
    return [hit for hit in hits if DocumentVersion(hit.passage.document_id, hit.passage.version) not in stale]


def _search(tools: Toolbox, collection: Collection, query: SearchQuery) -> list[Hit]:
    """No hits where nothing was indexed yet, since then the store has no such collection."""
    try:
        return tools.vectors.search(collection.store, query)
    except UnknownCollection:
        return []


def _query(run: StageRun) -> tuple[str, Embedding]:
    """The store that the question was embedded for, and its vectors."""
    return artefacts.unpack_query(run.kept("query"))


def _passages(
    run: StageRun, store: str, best: Sequence[Hit], *, reads_vectors: bool
) -> tuple[Candidate, ...]:
    """What the answer is made from. A passage replaced since the search stays, without its vectors."""
    there = {c.hit.passage.chunk_id: c for c in _candidates(run, store, best, reads_vectors=reads_vectors)}
    return tuple(there.get(hit.passage.chunk_id, Candidate(hit)) for hit in best)


def _candidates(run: StageRun, store: str, hits: Sequence[Hit], *, reads_vectors: bool) -> list[Candidate]:
    """None where ``store``, which the question was embedded for, serves no more."""
    if not reads_vectors or not hits:
        return [Candidate(hit) for hit in hits]
    if serving_store(run.tools.documents.collection(run.job.collection)) != store:
        return []
    with suppress(UnknownCollection):  # dropped in this moment
        return run.tools.vectors.candidates(store, hits)
    return []


def _done(run: StageRun, hits: Sequence[Hit], generated: tuple[str, Answer] | None = None) -> Done:
    """The question is answered; its answer is kept for whoever asks again."""
    result = result_of(hits, generated, collection=run.job.collection)
    told = with_pending(result, _pending(run)) if is_not_found(result) else result
    return Done(lambda job, seconds: with_times(told, job, seconds), after=keeping(run, result))


def _pending(run: StageRun) -> int:
    """How many documents were on their way into the collection when it was searched."""
    try:
        return int(run.kept(_PENDING))
    except NotFound:
        return 0
