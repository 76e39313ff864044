"""Comparing two layouts of a collection by what they find.

Samples to compare two layouts by: sentences whose passage is known, and questions that were asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Self

from rag.model import Collection, DocumentVersion, JobKind, JobState, Layout, Passage, SearchQuery, Vector
from rag.model.bounds import LONGEST_PASSAGE
from rag.ports import JobStore
from rag.text import lexical
from tasks.answer.answer import visible_hits
from tasks.documents.layouts import embedder_of
from tasks.toolbox import Toolbox

SENTENCES = 64
QUESTIONS = 36
_LOOKED_AT = 500
_SHORTEST, _LONGEST = 30, 300
"""Characters of a sentence that says enough to be found by, and not more than a question would."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A sentence, and the passage that it was taken from."""

    rank: str
    chunk_id: str
    document_id: str
    version: int
    sentence: str

    @property
    def document(self) -> DocumentVersion:
        return DocumentVersion(self.document_id, self.version)


@dataclass(frozen=True, slots=True)
class Sample:
    """At most ``SENTENCES`` sentences, of the passages whose ids have the lowest digests.

    So the sample is even over the collection, and adding a passage again changes nothing.
    """

    specimens: tuple[Specimen, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of ``dataclasses.asdict``."""
        return cls(tuple(Specimen(**each) for each in fields["specimens"]))

    def with_passages(self, passages: Iterable[Passage]) -> "Sample":
        chosen = {each.chunk_id: each for each in self.specimens}
        highest = max((each.rank for each in self.specimens), default="")
        for passage in passages:
            rank = blake2b(passage.chunk_id.encode(), digest_size=8).hexdigest()
            sentence = sentence_of(passage) if len(chosen) < SENTENCES or rank < highest else None
            if sentence:
                chosen[passage.chunk_id] = Specimen(
                    rank, passage.chunk_id, passage.document_id, passage.version, sentence
                )
        return Sample(tuple(sorted(chosen.values(), key=lambda each: each.rank)[:SENTENCES]))


def questions_of(jobs: JobStore, collection: str) -> list[str]:
    """Distinct questions that were answered lately, over the whole collection, without a filter."""
    window = jobs.page(
        states=[JobState.SUCCEEDED],
        kinds=[JobKind.QUERY],
        collections=[collection],
        cursor=None,
        limit=_LOOKED_AT,
    )
    unfiltered: Sequence[str] = [job.inputs["question"] for job in window.items if not job.inputs["where"]]
    return list(dict.fromkeys(unfiltered))[:QUESTIONS]


def sentence_of(passage: Passage) -> str | None:
    """The longest one of the passage that says enough, and no more than a question would."""
    from rag.text.sentences import sentences  # noqa: PLC0415 - every worker imports this module, few need that one

    text = passage.text[:LONGEST_PASSAGE]
    cut = (" ".join(text[each.start : each.end].split()) for each in sentences(text))
    fitting = [sentence for sentence in cut if _SHORTEST <= len(sentence) <= _LONGEST]
    return max(fitting, key=len, default=None)


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
    embedder = embedder_of(tools, collection.serving)
    embeddings = embedder.embed_queries(texts) if texts else []
    meant = [_found(tools, collection, embedding.dense, "") for embedding in embeddings[: len(specimens)]]
    hits = [
        _found(tools, collection, e.dense, text, embedder.vote(text))
        for e, text in zip(embeddings, texts, strict=True)
    ]
    ranks = [
        found.index(each.chunk_id) + 1 if each.chunk_id in found else 0
        for each, found in zip(specimens, meant, strict=True)
    ]
    return _Findings(ranks, [frozenset(found) for found in hits])


def _found(tools: Toolbox, collection: Collection, dense: Vector, words: str, vote: float = 1.0) -> list[str]:
    """Ids of the passages found, best first. ``words``: for the lexical part of the search."""
    query = SearchQuery(dense=dense, sparse=lexical.encode_question(words), limit=DEPTH, vote=vote)
    return [hit.passage.chunk_id for hit in visible_hits(tools, collection, query)]


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
