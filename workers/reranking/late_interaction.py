"""Late interaction over the bundled embedder's token vectors: those in the index, or made here.

Three features of a passage, none of which depends on the collection:

- the cosine of the dense vectors;
- MaxSim (Khattab and Zaharia, "ColBERT", 2020): for each question token the best cosine to
  a passage token, here squared and averaged by the tokens' weights;
- the share of what the question asks for, by weight, that the passage or its context contains.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain

import numpy as np

from rag.errors import ModelError
from rag.model import Candidate, Embedding, Vector
from rag.ports import Embedder, RerankRequest
from rag.text.context import context_of
from rag.text.lexical import Feature, coverage, question_features, term_counts
from workers.reranking.relevance import Evidence, late_relevance

MOST_TOKENS = 64
"""Only a question's heaviest tokens are compared: 512 took 1.4 s of processor time for 100 passages."""


class LateInteraction:
    """Compares questions with passages by the bundled embedder's vectors.

    Where the collection was embedded by another model, question and candidates are embedded
    here: about 10 ms a passage on one core. Texts that several requests have in common are embedded once.
    """

    def __init__(
        self, embedder: Callable[[], Embedder], *, stored: bool, metadata_fields: Sequence[str] = ()
    ) -> None:
        """``embedder`` makes the bundled one. ``stored``: collections should have its vectors."""
        self._make_embedder = embedder
        self._fields = metadata_fields
        self.stored = stored

    def evidence(self, requests: Sequence[RerankRequest]) -> list[list[Evidence]]:
        """For each request, what tells of its candidates in order, without a logit."""
        questions = list(dict.fromkeys(r.question for r in requests if r.query.tokens is None))
        texts = list(dict.fromkeys(chain.from_iterable(map(_without_vectors, requests))))
        # the model is not even loaded when every vector is stored
        queries = self._embedder.embed_queries(questions) if questions else []
        passages = self._embedder.embed_passages(texts) if texts else []
        by_question = dict(zip(questions, queries, strict=True))
        by_text = dict(zip(texts, passages, strict=True))
        return [self._compared(_complete(each, by_question, by_text)) for each in requests]

    def warm(self) -> None:
        """Load the model if it will be needed. ModelError when it is not built."""
        if not self.stored:
            self._embedder.warm()

    def _compared(self, request: RerankRequest) -> list[Evidence]:
        dense, asked = request.query.dense, question_features(request.question)
        tokens, weights = heaviest_tokens(request.query)
        return [
            Evidence(
                passage=each.hit.passage,
                retrieval=each.hit.score,
                cosine=float(dense @ _dense(each)),
                maxsim=_maxsim(each, tokens, weights),
                coverage=self._coverage(each, asked),
            )
            for each in request.candidates
        ]

    def _coverage(self, candidate: Candidate, asked: Sequence[Feature]) -> float:
        passage = candidate.hit.passage
        there = term_counts("\n".join((*context_of(passage, self._fields), passage.text)))
        return coverage(asked, there.keys())

    @cached_property
    def _embedder(self) -> Embedder:
        return self._make_embedder()


class LateInteractionReranker:
    """The ``Reranker`` port on late interaction alone."""

    name = "bundled-late-interaction"

    def __init__(self, late_interaction: LateInteraction) -> None:
        self._late_interaction = late_interaction
        self.reads_vectors = late_interaction.stored
        # recall@10 is .976 with 10 and .986 with 30, for 5 ms more where vectors are stored
        self.least_candidates = 30 if late_interaction.stored else 10

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        return [[late_relevance(each) for each in told] for told in self._late_interaction.evidence(requests)]

    def warm(self) -> None:
        self._late_interaction.warm()


def _without_vectors(request: RerankRequest) -> list[str]:
    """Texts of candidates without usable vectors: all when the question's are of another model."""
    foreign = request.query.tokens is None
    return [c.hit.passage.text for c in request.candidates if foreign or c.dense is None or c.tokens is None]


def _complete(
    request: RerankRequest, queries: dict[str, Embedding], passages: dict[str, Embedding]
) -> RerankRequest:
    missing = set(_without_vectors(request))
    candidates = tuple(
        replace(c, dense=made.dense, tokens=made.tokens)
        if c.hit.passage.text in missing and (made := passages[c.hit.passage.text])
        else c
        for c in request.candidates
    )
    query = request.query if request.query.tokens is not None else queries[request.question]
    return replace(request, query=query, candidates=candidates)


def heaviest_tokens(query: Embedding) -> tuple[Vector, Vector]:
    """The question's ``MOST_TOKENS`` heaviest tokens as float32, and weights that sum to 1."""
    if query.tokens is None:
        raise ModelError("the question has no token vectors to weigh passages by")
    weights = np.ones(len(query.tokens), dtype=np.float32) if query.weights is None else query.weights
    heaviest = np.sort(np.argsort(-weights, kind="stable")[:MOST_TOKENS])
    kept = weights[heaviest]
    return query.tokens[heaviest].astype(np.float32), kept / max(float(kept.sum()), 1e-9)


def _dense(candidate: Candidate) -> Vector:
    if candidate.dense is None:
        raise ModelError(f"chunk {candidate.hit.passage.chunk_id} has no vector to weigh it by")
    return candidate.dense


def _maxsim(candidate: Candidate, tokens: Vector, weights: Vector) -> float:
    if candidate.tokens is None:
        raise ModelError(f"chunk {candidate.hit.passage.chunk_id} has no token vectors to weigh it by")
    if not len(candidate.tokens) or not len(tokens):
        return 0.0
    best = (candidate.tokens.astype(np.float32) @ tokens.T).max(axis=0)
    return float(weights @ np.square(np.maximum(best, 0)))
