"""The result of a question, as JSON for its caller."""

from collections.abc import Mapping, Sequence
from time import time

from rag.model import (
    Answer,
    Citation,
    DocumentVersion,
    Hit,
    Job,
    Json,
    Passage,
    Reason,
    Refusal,
    Stage,
)
from rag.model.bounds import shown_answer, shown_citations, shown_hits, shown_reasoning
from rag.text.places import chunk_address, passage_page

_MESSAGES: Mapping[Reason, str] = {
    Reason.NO_PASSAGES: "There is no passage to answer from.",
    Reason.NOTHING_ASKED: "The question names nothing to look for.",
    Reason.UNRELATED: "No passage is about what the question asks.",
    Reason.DIFFERS_IN: "The passages that come nearest do not have what the question names",
    Reason.NOT_STATED: "The passages do not state what the question asks for.",
    Reason.MODEL_DECLINED: "The model found no answer in the passages.",
    Reason.UNCITED: "The model's text stands in none of the passages.",
}


def result_of(
    hits: Sequence[Hit],
    generated: tuple[str, Answer] | None = None,
    *,
    collection: str,
    parents: Mapping[str, str] | None = None,
) -> Json:
    """A query's result without its times. ``generated``: the generator's name and its answer.

    ``parents``: by document, the mail that it was attached to.

    It takes about 1 MB at most: texts are shortened, then the last hits are left out. Only a model that
    reasons has ``reasoning``, only a question without an answer ``not_found``; without a generator one that
    has no hits.
    """
    generator, answer = generated or (None, None)
    citations = shown_citations(answer.citations) if answer else ()
    mails = parents or {}
    reasoning = {"reasoning": shown_reasoning(answer.reasoning)} if answer and answer.reasoning else {}
    refusal = answer.refusal if answer else None if hits else Refusal(Reason.NO_PASSAGES)
    return {
        "answer": shown_answer(answer.text) if answer else None,
        "citations": [{"n": c.n, **_place(collection, mails, c.passage, c)} for c in citations],
        "hits": [_place(collection, mails, hit.passage, hit) for hit in shown_hits(hits)],
        "generator": generator,
        **reasoning,
        **({"not_found": _explained(refusal)} if refusal else {}),
        "cached": False,
    }


def is_not_found(result: Json) -> bool:
    """Whether the documents do not contain the answer; without an answer, whether there are no hits."""
    return "not_found" in result


def _explained(refusal: Refusal) -> Json:
    message, lacking = _MESSAGES[refusal.reason], list(refusal.lacking)
    if not lacking:
        return {"reason": refusal.reason.value, "message": message}
    named = f"{message}: {', '.join(lacking)}."
    return {"reason": refusal.reason.value, "message": named, "lacking": lacking}


def with_times(result: Json, job: Job, seconds: float) -> Json:
    """The result with its times in milliseconds by stage; the job's last stage took ``seconds``.

    ``queue`` is all the time in which no stage worked on the job.
    """
    names = {
        "embed": Stage.EMBED_QUERY,
        "search": Stage.SEARCH,
        "rerank": Stage.RERANK,
        "generate": Stage.GENERATE,
    }
    timings, total = {**job.timings, job.stage.value: seconds}, time() - job.created_at
    work = {name: timings.get(stage.value, 0.0) for name, stage in names.items()}
    spans = {"queue": max(0.0, total - sum(work.values())), **work, "total": total}
    return {**result, "timings_ms": {name: round(span * 1000, 3) for name, span in spans.items()}}


def _place(collection: str, parents: Mapping[str, str], passage: Passage, found: Hit | Citation) -> Json:
    """A quoted text and its place: a hit's whole passage, or the part of it that a citation names.

    ``url``: address of a page that shows it; ``chunk_url``: address of the passage in the API.
    """
    quoted = found if isinstance(found, Citation) else passage
    version = DocumentVersion(passage.document_id, passage.version)
    return {
        "document_id": passage.document_id,
        "parent": parents.get(passage.document_id),
        "chunk_id": passage.chunk_id,
        "title": passage.title,
        "headings": list(passage.headings),
        "page": passage.page,
        **({} if passage.confidence is None else {"recognised": {"confidence": passage.confidence}}),
        "start": quoted.start,
        "end": quoted.end,
        "text": quoted.text,
        "score": round(found.score, 6),
        "metadata": dict(passage.metadata),
        "url": passage_page(collection, version, quoted.start, quoted.end),
        "chunk_url": chunk_address(collection, passage.document_id, passage.chunk_id),
    }
