"""Late interaction over the token vectors that the bundled embedder leaves in the index.

Relevance is logistic in three features, none of which depends on the collection, so that a
passage's relevance means the same among three documents and among a million:

- the cosine of the dense vectors;
- MaxSim (Khattab and Zaharia, "ColBERT", 2020): for each question token the best cosine to
  a passage token, here squared and averaged by the tokens' weights;
- the share of the question's terms that the passage, its title or its headings contain.

The coefficients are rounded from fits on 24 articles of SQuAD (2,043 questions, 1,027
paragraphs), cross-validated by article
(``docs/decisions/0006-retrieval.md``): MRR@10 .903 over 30 candidates where the retrieval
score alone has .872; halving or doubling any one of them leaves at least .896. The retrieval
score as a fourth feature adds .001, and would tie relevance to the collection's size.
The best relevance is under .45 for 92 % of questions asked with their article left out of the
index (two thirds to nine tenths for seven with a related article in it, more for the others), and
for 4 % of those asked with it.
"""

from collections.abc import Sequence
from math import exp

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError
from rag.lexical import term_counts
from rag.model import Candidate, Embedding, Passage, Vector
from rag.ports import RerankRequest

COSINE = 5.0
MAXSIM = 12.0
COVERAGE = 1.0
OFFSET = -9.3

UNRELATED_BELOW = 0.45
"""Best relevance under which a question is about something else than the documents."""


class BundledReranker:
    """The ``Reranker`` port on stored vectors; loads nothing."""

    name = "bundled-late-interaction"
    reads_vectors = True
    least_candidates = 30  # recall@10 .976 with 10 and .986 with 30, for 5 ms more

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        return [_relevance(request) for request in requests]

    def warm(self) -> None:
        """Nothing to load."""


def _relevance(request: RerankRequest) -> list[float]:
    terms = frozenset(term_counts(request.question))
    asked = _Question(request.query.dense, *_weighted_tokens(request.query), terms)
    return [asked.relevance_of(candidate) for candidate in request.candidates]


class _Question:
    def __init__(self, dense: Vector, tokens: Vector, weights: Vector, terms: frozenset[int]) -> None:
        self._dense = dense
        self._tokens = tokens
        self._weights = weights
        self._terms = terms

    def relevance_of(self, candidate: Candidate) -> float:
        if candidate.dense is None or candidate.tokens is None:
            raise ModelError(
                f"chunk {candidate.hit.passage.chunk_id} has no token vectors: its collection was embedded "
                "by another model; choose that model's reranker, or ingest again into a new collection"
            )
        score = (
            COSINE * float(self._dense @ candidate.dense)
            + MAXSIM * self._maxsim(candidate.tokens)
            + COVERAGE * self._coverage(candidate.hit.passage)
            + OFFSET
        )
        return 1.0 / (1.0 + exp(-score))

    def _maxsim(self, tokens: NDArray[np.float16]) -> float:
        if not len(tokens) or not len(self._tokens):
            return 0.0
        best = (tokens.astype(np.float32) @ self._tokens.T).max(axis=0)
        return float(self._weights @ np.square(np.maximum(best, 0)))

    def _coverage(self, passage: Passage) -> float:
        if not self._terms:
            return 0.0
        there = term_counts(" ".join((passage.title, *passage.headings, passage.text)))
        return len(self._terms & there.keys()) / len(self._terms)


def _weighted_tokens(query: Embedding) -> tuple[Vector, Vector]:
    """The question's tokens as float32, and weights that sum to 1."""
    if query.tokens is None:
        raise ModelError("the bundled reranker needs token vectors of the question: use the bundled embedder")
    count = len(query.tokens)
    weights = np.ones(count, dtype=np.float32) if query.weights is None else query.weights
    return query.tokens.astype(np.float32), weights / max(float(weights.sum()), 1e-9)
