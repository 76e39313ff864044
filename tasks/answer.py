"""Answering: embed the question → search → rerank → generate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import time

from rag import artefacts, lexical
from rag.errors import TimedOut, UnknownCollection
from rag.model import (
    Answer,
    Candidate,
    Citation,
    Collection,
    DocumentVersion,
    Embedding,
    Hit,
    Job,
    Json,
    Passage,
    SearchQuery,
    Stage,
)
from rag.ports import GenerationRequest, RerankRequest
from tasks.embedders import embedder_for
from tasks.stage import Done, Next, Outcome, StageRun, stage_task
from tasks.toolbox import Toolbox

ROUNDS = 5  # searches at most until no hit is of a version that was replaced meanwhile


@stage_task(Stage.EMBED_QUERY)
def embed_query(run: StageRun) -> Outcome:
    """The question's vectors."""
    embedder = embedder_for(run.tools, run.tools.documents.collection(run.job.collection))
    (embedding,) = embedder.embed_queries([run.job.inputs["question"]])
    run.keep("query", artefacts.pack_embedding(embedding))
    return Next(Stage.SEARCH)


@stage_task(Stage.SEARCH)
def search(run: StageRun) -> Outcome:
    """The passages that fit best, of versions to be seen now: ``top_k``, or what reranking wants."""
    inputs = run.job.inputs
    query = SearchQuery(
        dense=_query(run).dense,
        sparse=lexical.encode_question(inputs["question"]),
        limit=max(inputs["top_k"], run.tools.reranker.least_candidates),
        where=inputs["where"],
    )
    collection = run.tools.documents.collection(run.job.collection)
    hits = [] if collection is None else visible_hits(run.tools, collection, query)
    run.keep("hits", artefacts.pack_hits(hits))
    return Next(Stage.RERANK)


@stage_task(Stage.RERANK)
def rerank(run: StageRun) -> Outcome:
    """The best ``top_n`` hits by relevance; back to the search when one was replaced meanwhile."""
    tools, inputs = run.tools, run.job.inputs
    hits = artefacts.unpack_hits(run.kept("hits"))
    candidates = _candidates(run, hits, reads_vectors=tools.reranker.reads_vectors)
    if len(candidates) < len(hits):
        return Next(Stage.SEARCH)
    request = RerankRequest(inputs["question"], _query(run), tuple(candidates))
    (relevance,) = tools.reranker.relevance([request])
    rated = [Hit(c.hit.passage, score) for c, score in zip(candidates, relevance, strict=True)]
    best = sorted(rated, key=lambda hit: hit.score, reverse=True)[: inputs["top_n"]]
    if not inputs["generate"]:
        return Done(lambda job, seconds: _result(job, seconds, best))
    run.keep("best", artefacts.pack_hits(best))
    return Next(Stage.GENERATE)


@stage_task(Stage.GENERATE)
def generate(run: StageRun) -> Outcome:
    """The answer, from the best hits alone."""
    generator = run.tools.generator
    best = artefacts.unpack_hits(run.kept("best"))
    request = GenerationRequest(
        question=run.job.inputs["question"],
        query=_query(run),
        passages=_passages(run, best, reads_vectors=generator.reads_vectors),
        emit=run.token,
        cancelled=lambda: run.cancelled() or run.overdue(),
    )
    answer = generator.answer(request)
    if run.overdue():
        raise TimedOut("the answer was not finished")
    return Done(lambda job, seconds: _result(job, seconds, best, (generator.name, answer)))


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


def _query(run: StageRun) -> Embedding:
    return artefacts.unpack_embedding(run.kept("query"))


def _passages(run: StageRun, best: Sequence[Hit], *, reads_vectors: bool) -> tuple[Candidate, ...]:
    """What the answer is made from. A passage replaced since the search stays, without its vectors."""
    there = {c.hit.passage.chunk_id: c for c in _candidates(run, best, reads_vectors=reads_vectors)}
    return tuple(there.get(hit.passage.chunk_id, Candidate(hit)) for hit in best)


def _candidates(run: StageRun, hits: Sequence[Hit], *, reads_vectors: bool) -> list[Candidate]:
    collection = run.tools.documents.collection(run.job.collection)
    if not reads_vectors or not hits or collection is None:
        return [Candidate(hit) for hit in hits]
    return run.tools.vectors.candidates(collection.store, hits)


def _result(
    job: Job, seconds: float, hits: Sequence[Hit], generated: tuple[str, Answer] | None = None
) -> Json:
    """A query's result, its last stage having worked for ``seconds``; ``generated`` by whom and what."""
    generator, answer = generated or (None, None)
    citations = answer.citations if answer else ()
    return {
        "answer": answer.text if answer else None,
        "citations": [{"n": c.n, **_place(c.passage, c)} for c in citations],
        "hits": [_place(hit.passage, hit) for hit in hits],
        "generator": generator,
        "timings_ms": _timings({**job.timings, job.stage.value: seconds}, time() - job.created_at),
    }


def _place(passage: Passage, found: Hit | Citation) -> Json:
    """Where a quoted text stands: a hit's whole passage, or the part of it that a citation names."""
    quoted = found if isinstance(found, Citation) else passage
    return {
        "document_id": passage.document_id,
        "chunk_id": passage.chunk_id,
        "title": passage.title,
        "headings": list(passage.headings),
        "page": passage.page,
        "start": quoted.start,
        "end": quoted.end,
        "text": quoted.text,
        "score": round(found.score, 6),
        "metadata": dict(passage.metadata),
    }


def _timings(seconds: Mapping[str, float], total: float) -> Json:
    """Milliseconds by stage; ``queue`` is all the time in which no stage worked on the job."""
    names = {
        "embed": Stage.EMBED_QUERY,
        "search": Stage.SEARCH,
        "rerank": Stage.RERANK,
        "generate": Stage.GENERATE,
    }
    work = {name: seconds.get(stage.value, 0.0) for name, stage in names.items()}
    spans = {"queue": max(0.0, total - sum(work.values())), **work, "total": total}
    return {name: round(span * 1000, 3) for name, span in spans.items()}
