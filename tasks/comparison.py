"""Comparing two layouts of a collection by what they find."""

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
    """How well the layout that serves (``before``) and the second one (``after``) find passages.

    ``recall``: the share of sentences whose own passage is among the first ten hits. ``mrr``: the mean
    reciprocal rank of that passage. Both search by meaning alone, since words find it in any layout.
    ``overlap``: the mean share of the first ten hits that both layouts have in common, for sentences and
    questions, found as questions are. Each is None where there was nothing to compare by.
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
    """Search both layouts. Sentences of ``sample`` count only if searches still see their documents."""
    stale = set(tools.documents.stale(collection.name, (each.document for each in sample.specimens)))
    specimens = [each for each in sample.specimens if each.document not in stale]
    switched = replace(
        collection,
        layout=second.number,
        embedding_model=second.embedding_model,
        dimension=second.dimension,
        built_by=second.job_id,
    )
    before = _look(tools, collection, specimens, questions)
    after = _look(tools, switched, specimens, questions)
    return Comparison(
        sentences=len(specimens),
        questions=len(questions),
        recall_before=_mean([rank > 0 for rank in before.ranks]),
        recall_after=_mean([rank > 0 for rank in after.ranks]),
        mrr_before=_mean([1 / rank if rank else 0.0 for rank in before.ranks]),
        mrr_after=_mean([1 / rank if rank else 0.0 for rank in after.ranks]),
        overlap=_mean(
            [
                len(old & new) / max(len(old), len(new)) if old or new else 1.0
                for old, new in zip(before.hits, after.hits, strict=True)
            ]
        ),
    )


@dataclass(frozen=True, slots=True)
class _Findings:
    """``ranks``: of each sentence's passage, from 1; 0 if it was not found. ``hits``: ids for each text."""

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
    """Ids of the passages found, best first. ``words``: for the lexical part of the search."""
    query = SearchQuery(dense=dense, sparse=lexical.encode_question(words), limit=DEPTH)
    return [hit.passage.chunk_id for hit in visible_hits(tools, collection, query)]


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
