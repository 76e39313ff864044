"""Late interaction over the bundled embedder's token vectors: those in the index, or made here.

Relevance is logistic in three features. None depends on the collection, so that a
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

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cached_property
from itertools import chain
from math import exp

import numpy as np

from rag.errors import ModelError
from rag.model import Candidate, Embedding, Vector
from rag.ports import Embedder, RerankRequest
from rag.text.lexical import term_counts

COSINE = 5.0
MAXSIM = 12.0
COVERAGE = 1.0
OFFSET = -9.3

MOST_TOKENS = 64
"""Only a question's heaviest tokens are compared: 512 took 1.4 s of processor time for 100 passages."""

UNRELATED_BELOW = 0.45
"""When the best relevance is below, the question is unrelated to the documents."""


class BundledReranker:
    """The ``Reranker`` port on the bundled embedder's vectors.

    Where the collection was embedded by another model, question and candidates are embedded
    here: about 10 ms a passage on one core, so fewer candidates are asked for. Texts that several
    requests have in common are embedded once.
    """

    name = "bundled-late-interaction"

    def __init__(self, embedder: Callable[[], Embedder], *, stored: bool = True) -> None:
        """``embedder`` makes the bundled one. ``stored``: collections should have its vectors."""
        self._make_embedder = embedder
        self.reads_vectors = stored
        # recall@10 is .976 with 10 and .986 with 30, for 5 ms more where vectors are stored
        self.least_candidates = 30 if stored else 10

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        questions = list(dict.fromkeys(r.question for r in requests if r.query.tokens is None))
        texts = list(dict.fromkeys(chain.from_iterable(map(_without_vectors, requests))))
        # the model is not even loaded when every vector is stored
        queries = self._embedder.embed_queries(questions) if questions else []
        passages = self._embedder.embed_passages(texts) if texts else []
        by_question = dict(zip(questions, queries, strict=True))
        by_text = dict(zip(texts, passages, strict=True))
        scores = []
        for request in (_complete(each, by_question, by_text) for each in requests):
            dense, terms = request.query.dense, term_counts(request.question).keys()
            tokens, weights = heaviest_tokens(request.query)
            scores.append([_relevance_of(each, dense, tokens, weights, terms) for each in request.candidates])
        return scores

    def warm(self) -> None:
        """Load the model if it will be needed. ModelError when it is not built."""
        if not self.reads_vectors:
            self._embedder.warm()

    @cached_property
    def _embedder(self) -> Embedder:
        return self._make_embedder()


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


def _relevance_of(
    candidate: Candidate, dense: Vector, tokens: Vector, weights: Vector, terms: AbstractSet[int]
) -> float:
    passage = candidate.hit.passage
    if candidate.dense is None or candidate.tokens is None:
        raise ModelError(f"chunk {passage.chunk_id} has no token vectors to weigh it by")
    maxsim = coverage = 0.0
    if len(candidate.tokens) and len(tokens):
        best = (candidate.tokens.astype(np.float32) @ tokens.T).max(axis=0)
        maxsim = float(weights @ np.square(np.maximum(best, 0)))
    if terms:
        there = term_counts(" ".join((passage.title, *passage.headings, passage.text)))
        coverage = len(terms & there.keys()) / len(terms)
    score = COSINE * float(dense @ candidate.dense) + MAXSIM * maxsim + COVERAGE * coverage + OFFSET
    return 1.0 / (1.0 + exp(-score))
