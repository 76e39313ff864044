"""Answering: embed the question → search → rerank → generate."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from time import time

from rag.errors import NotFound, TimedOut, UnknownCollection
from rag.model import (
    Answer,
    Candidate,
    Collection,
    DocumentVersion,
    Hit,
    SearchQuery,
    Stage,
)
from rag.model.bounds import bounded
from rag.ports import GenerationRequest, RerankRequest
from rag.text import lexical
from tasks.answer.answer_cache import cacheable, caching, recall
from tasks.answer.results import is_not_found, result_of, with_times
from tasks.documents.layouts import embedder_for, serving_store, tenant_of
from tasks.stages import artefacts
from tasks.stages.stage import Done, Next, Outcome, Shared, StageRun, Steps, stage_work
from tasks.toolbox import Toolbox

_PENDING = "pending"
ROUNDS = 5
"""Searches at most, until no hit belongs to a version that was replaced meanwhile."""


@stage_work(Stage.EMBED_QUERY, together=True)
def embed_query(run: StageRun) -> Steps:
    """Embed the question, unless its answer is cached."""
    tools, job = run.tools, run.job
    collection = tools.documents.collection(job.collection)
    if known := recall(run, collection):
        return known
    fresh, tenant = not cacheable(job, tools.settings), tenant_of(job, tools.settings)
    embedder = embedder_for(tools, collection, fresh=fresh, tenant=tenant)
    (embedding,) = yield Shared(embedder.embed_queries, [job.inputs["question"]])
    run.save("query", artefacts.pack_query(serving_store(collection), embedding))
    return Next(Stage.SEARCH)


@stage_work(Stage.SEARCH, together=True)
def search(run: StageRun) -> Outcome:
    """Find the ``top_k`` passages that fit best, or as many as reranking wants, of current versions."""
    inputs = run.job.inputs
    store, embedding = artefacts.unpack_query(run.load("query"))
    # counted before the search: a document that arrives during the search must not be missed in both
    if pending := run.tools.jobs.coming(run.job.collection):
        run.save(_PENDING, str(pending).encode())
    collection = run.tools.documents.collection(run.job.collection)
    if serving_store(collection) != store:
        return Next(Stage.EMBED_QUERY)
    query = SearchQuery(
        dense=embedding.dense,
        sparse=lexical.encode_question(inputs["question"]),
        limit=max(inputs["top_k"], run.tools.reranker.least_candidates),
        where=inputs["where"],
        vote=embedder_for(run.tools, collection).vote(inputs["question"]),
    )
    hits = [] if collection is None else visible_hits(run.tools, collection, query)
    if not hits and serving_store(run.tools.documents.collection(run.job.collection)) != store:
        return Next(Stage.EMBED_QUERY)
    run.save("hits", artefacts.pack_hits(bounded(hits)))
    return Next(Stage.RERANK)


@stage_work(Stage.RERANK, together=True)
def rerank(run: StageRun) -> Steps:
    """Choose the ``top_n`` hits by relevance. Goes back to the search when a hit was replaced meanwhile."""
    tools, inputs = run.tools, run.job.inputs
    hits = artefacts.unpack_hits(run.load("hits"))
    store, query = artefacts.unpack_query(run.load("query"))
    # before the candidates: if these are found, the store still serves, and so did its model
    collection = tools.documents.collection(run.job.collection)
    candidates = _candidates(run, store, hits, reads_vectors=tools.reranker.reads_vectors)
    if len(candidates) < len(hits):
        return Next(Stage.SEARCH)
    model = collection.embedding_model if collection else ""
    request = RerankRequest(inputs["question"], query, tuple(candidates), model)
    (relevance,) = yield Shared(tools.reranker.relevance, [request])
    rated = [Hit(c.hit.passage, score) for c, score in zip(candidates, relevance, strict=True)]
    best = sorted(rated, key=lambda hit: hit.score, reverse=True)[: inputs["top_n"]]
    if not inputs["generate"]:
        return _finish(run, best)
    run.save("best", artefacts.pack_hits(best))
    return Next(Stage.GENERATE)


@stage_work(Stage.GENERATE)
def generate(run: StageRun) -> Outcome:
    """Write the answer from the best hits alone."""
    generator = run.tools.generator
    best = artefacts.unpack_hits(run.load("best"))
    store, query = artefacts.unpack_query(run.load("query"))
    found = _candidates(run, store, best, reads_vectors=generator.reads_vectors)
    by_id = {each.hit.passage.chunk_id: each for each in found}
    pieces = _Pieces(run)
    request = GenerationRequest(
        question=run.job.inputs["question"],
        query=query,
        # a passage that was replaced since the search stays, without its vectors
        passages=tuple(by_id.get(hit.passage.chunk_id, Candidate(hit)) for hit in best),
        emit=pieces.emit,
        cancelled=lambda: run.cancelled() or run.overdue(),
    )
    answer = generator.answer(request)
    if run.overdue():
        raise TimedOut("the answer was not finished")
    return replace(_finish(run, best, (generator.name, answer)), first_token=pieces.first_token)


@dataclass(slots=True)
class _Pieces:
    """Publishes the pieces of an answer. ``first_token``: seconds from the submit to the first of them."""

    run: StageRun
    first_token: float | None = None

    def emit(self, text: str) -> None:
        if self.first_token is None:
            self.first_token = max(0.0, time() - self.run.job.created_at)
        self.run.token(text)


def visible_hits(tools: Toolbox, collection: Collection, query: SearchQuery) -> list[Hit]:
    """Search until every hit belongs to the version that searches may see now.

    The store may hold points of a version that is not published yet, or that was replaced or deleted.
    They are excluded and the search is repeated. Excluded versions are checked again each time, so that
    one that was published in between is found.
    """
    hits: list[Hit] = []
    for _ in range(ROUNDS):
        try:
            hits = tools.vectors.search(collection.store, query)
        except UnknownCollection:  # nothing was indexed yet
            hits = []
        found = {DocumentVersion(h.passage.document_id, h.passage.version) for h in hits}
        stale = set(tools.documents.stale(collection.name, found | set(query.exclude)))
        if stale == set(query.exclude):
            return hits
        query = replace(query, exclude=tuple(stale))
    return [hit for hit in hits if DocumentVersion(hit.passage.document_id, hit.passage.version) not in stale]


def _candidates(run: StageRun, store: str, hits: Sequence[Hit], *, reads_vectors: bool) -> list[Candidate]:
    """The hits, with their vectors if those are read.

    Empty if ``store``, for which the question was embedded, does not serve any more.
    """
    if not reads_vectors or not hits:
        return [Candidate(hit) for hit in hits]
    if serving_store(run.tools.documents.collection(run.job.collection)) != store:
        return []
    with suppress(UnknownCollection):  # it was dropped in this moment
        return run.tools.vectors.candidates(store, hits)
    return []


def _finish(run: StageRun, hits: Sequence[Hit], generated: tuple[str, Answer] | None = None) -> Done:
    """End the job with its result, and cache the answer for the next one who asks."""
    collection, found = run.job.collection, {hit.passage.document_id for hit in hits}
    parents = run.tools.documents.parents(collection, found)
    answered = result_of(hits, generated, collection=collection, parents=parents)
    result = answered
    if is_not_found(answered):
        try:
            pending = int(run.load(_PENDING))
        except NotFound:
            pending = 0
        # what was not found may be in one of the documents that were on their way
        result = {**answered, "pending_documents": pending}
    return Done(lambda job, seconds: with_times(result, job, seconds), after=caching(run, answered))
