"""Two layouts of a collection, compared by what they find."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag import lexical
from rag.model import Collection, Layout, SearchQuery, Vector
from tasks.answer import visible_hits
from tasks.layouts import embedder_of
from tasks.sampling import Sample, Specimen
from tasks.toolbox import Toolbox

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the layout that serves (``before``) and the second one (``after``) find things.

    ``recall`` is the part of the sentences whose own passage is among the first ten, ``mrr`` the mean of
    1 / its rank there, both found by meaning alone: words find a sentence anyhow. ``overlap`` is the mean
    part of the first ten hits that both have in common, of sentences and questions, found as
    questions are. None of each where there was nothing to compare by.
    """

    sentences: int
    questions: int
    recall_before: float | None
    recall_after: float | None
    mrr_before: float | None
    mrr_after: float | None
    overlap: float | None

    @property
    def loss(self) -> float:
        """By how much recall falls."""
        return (self.recall_before or 0.0) - (self.recall_after or 0.0)


def compared(
    tools: Toolbox, collection: Collection, second: Layout, sample: Sample, questions: Sequence[str]
) -> Comparison:
    """Of ``sample`` only what is still to be seen counts."""
    stale = set(tools.documents.stale(collection.name, (each.document for each in sample.specimens)))
    specimens = [each for each in sample.specimens if each.document not in stale]
    before = _look(tools, collection, specimens, questions)
    after = _look(tools, _with_serving(collection, second), specimens, questions)
    return Comparison(
        sentences=len(specimens),
        questions=len(questions),
        recall_before=_mean([rank > 0 for rank in before.ranks]),
        recall_after=_mean([rank > 0 for rank in after.ranks]),
        mrr_before=_mean([1 / rank if rank else 0.0 for rank in before.ranks]),
        mrr_after=_mean([1 / rank if rank else 0.0 for rank in after.ranks]),
        overlap=_mean([_common(old, new) for old, new in zip(before.hits, after.hits, strict=True)]),
    )


@dataclass(frozen=True, slots=True)
class _Findings:
    """``ranks``: of each sentence's passage, from 1, 0 beyond the first ten; ``hits``: ids for each text."""

    ranks: Sequence[int]
    hits: Sequence[frozenset[str]]


def _look(
    tools: Toolbox, collection: Collection, specimens: Sequence[Specimen], questions: Sequence[str]
) -> _Findings:
    texts = [*(each.sentence for each in specimens), *questions]
    embeddings = embedder_of(tools, collection.serving).embed_queries(texts) if texts else []
    meant = [_found(tools, collection, embedding.dense, "") for embedding in embeddings[: len(specimens)]]
    hits = [_found(tools, collection, e.dense, text) for e, text in zip(embeddings, texts, strict=True)]
    ranks = [
        found.index(each.chunk_id) + 1 if each.chunk_id in found else 0
        for each, found in zip(specimens, meant, strict=True)
    ]
    return _Findings(ranks, [frozenset(found) for found in hits])


def _found(tools: Toolbox, collection: Collection, dense: Vector, words: str) -> list[str]:
    """Ids of the first passages, best first."""
    query = SearchQuery(dense=dense, sparse=lexical.encode_question(words), limit=DEPTH)
    return [hit.passage.chunk_id for hit in visible_hits(tools, collection, query)]


def _with_serving(collection: Collection, layout: Layout) -> Collection:
    return replace(
        collection,
        layout=layout.number,
        embedding_model=layout.embedding_model,
        dimension=layout.dimension,
        built_by=layout.job_id,
    )


def _common(old: frozenset[str], new: frozenset[str]) -> float:
    return len(old & new) / max(1, len(old), len(new)) if old or new else 1.0


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
