"""Late interaction over the bundled embedder's token vectors: those in the index, or made on the spot.

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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from math import exp

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError
from rag.lexical import term_counts
from rag.model import Candidate, Embedding, Passage, Vector
from rag.ports import Embedder, RerankRequest

COSINE = 5.0
MAXSIM = 12.0
COVERAGE = 1.0
OFFSET = -9.3

MOST_TOKENS = 64
"""The heaviest of a question, that passages are weighed by: 512 took 1.4 s of processor for 100 passages."""

UNRELATED_BELOW = 0.45
"""Best relevance under which a question is about something else than the documents."""


class BundledReranker:
    """The ``Reranker`` port on the bundled embedder's vectors.

    Where the collection was embedded by another model, question and candidates are embedded
    here: about 10 ms a passage on one core, so fewer candidates are asked for. Texts that several
    requests have in common are embedded once.
    """

    name = "bundled-late-interaction"

    def __init__(self, embedder: Callable[[], Embedder], *, stored: bool = True) -> None:
        """``embedder`` makes the bundled one. ``stored``: collections are expected to have its vectors."""
        self._make_embedder = embedder
        self.reads_vectors = stored
        # recall@10 is .976 with 10 and .986 with 30, for 5 ms more where vectors are stored
        self.least_candidates = 30 if stored else 10

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        return [_relevance(request) for request in self._with_vectors(requests)]

    def warm(self) -> None:
        """Load the model if it is going to be needed. ModelError when it is not built."""
        if not self.reads_vectors:
            self._embedder.warm()

    @cached_property
    def _embedder(self) -> Embedder:
        return self._make_embedder()

    def _with_vectors(self, requests: Sequence[RerankRequest]) -> list[RerankRequest]:
        """The requests with the vectors that they lack: all of one whose question has no token vectors."""
        questions = [r.question for r in requests if r.query.tokens is None]
        texts = chain.from_iterable(map(_without_vectors, requests))
        queries = _by_text(questions, self._embed_queries)
        passages = _by_text(texts, self._embed_passages)
        return [_completed(request, queries, passages) for request in requests]

    def _embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedder.embed_queries(texts)

    def _embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedder.embed_passages(texts)


def _by_text(
    texts: Iterable[str], embed: Callable[[Sequence[str]], Sequence[Embedding]]
) -> dict[str, Embedding]:
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, embed(distinct), strict=True)) if distinct else {}


def _without_vectors(request: RerankRequest) -> list[str]:
    """Texts of the candidates whose stored vectors are missing, or of another model."""
    foreign = request.query.tokens is None
    return [c.hit.passage.text for c in request.candidates if foreign or c.dense is None or c.tokens is None]


def _completed(
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
            raise ModelError(f"chunk {candidate.hit.passage.chunk_id} has no token vectors to weigh it by")
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
    """The question's ``MOST_TOKENS`` heaviest tokens as float32, and weights that sum to 1."""
    if query.tokens is None:
        raise ModelError("the question has no token vectors to weigh passages by")
    count = len(query.tokens)
    weights = np.ones(count, dtype=np.float32) if query.weights is None else query.weights
    heaviest = np.sort(np.argsort(-weights, kind="stable")[:MOST_TOKENS])
    kept = weights[heaviest]
    return query.tokens[heaviest].astype(np.float32), kept / max(float(kept.sum()), 1e-9)
