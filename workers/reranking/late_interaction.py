"""Late interaction over the bundled embedder's token vectors: those in the index, or made here.

Three features of a passage, none of which depends on the collection:

- the cosine of the dense vectors;
- MaxSim (Khattab and Zaharia, "ColBERT", 2020): for each question token the best cosine to
  a passage token, here squared and averaged by the tokens' weights;
- the share of what the question asks for that the passage or its context contains.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cached_property
from itertools import chain

import numpy as np

from rag.errors import ModelError
from rag.model import Candidate, Embedding, Vector
from rag.ports import Embedder, RerankRequest
from rag.settings.derived import MULTILINGUAL_EMBEDDING
from rag.text.asking import without_asking
from rag.text.context import context_of
from rag.text.languages import asked_languages
from rag.text.lexical import coverage, question_features, terms_of_parts
from rag.text.sentences import sentences
from workers.reranking.asking import plainly
from workers.reranking.meaning import relevances_by_meaning
from workers.reranking.relevance import Evidence, relevances
from workers.reranking.votes import vote_on
from workers.reranking.words import absent_kinds, agreements, coverages

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
        self.fields = metadata_fields
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
        question, dense = request.question, request.query.dense
        tokens, weights = heaviest_tokens(request.query)
        parts = [self._terms_of_sentences(each) for each in request.candidates]
        terms = [frozenset[int]().union(*each) for each in parts]
        asked = question_features(question)
        told = question_features(without_asking(question), languages=asked_languages(question))
        similarities = [_similarity(each, tokens) for each in request.candidates]
        passages = [each.hit.passage for each in request.candidates]
        words = zip(coverages(told, parts), agreements(question, passages, self.fields), strict=True)
        compared = zip(request.candidates, similarities, terms, words, strict=True)
        return [
            Evidence(
                passage=candidate.hit.passage,
                retrieval=candidate.hit.score,
                cosine=float(dense @ _dense(candidate)),
                maxsim=maxsim_of(similarity, weights),
                coverage=coverage(asked, there),
                words=share.whole,
                together=share.sentence,
                agreement=agreement,
                similarity=similarity,
                weights=weights,
            )
            for candidate, similarity, there, (share, agreement) in compared
        ]

    def _terms_of_sentences(self, candidate: Candidate) -> list[AbstractSet[int]]:
        """The terms of the passage's context, then those of each of its sentences, rows and items."""
        passage = candidate.hit.passage
        context, text = "\n".join(context_of(passage, self.fields)), passage.text
        parts = [text[part.start : part.end] for part in sentences(text)]
        return terms_of_parts(f"{context}\n{text}", [context, *parts])

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
        asked = [comparable(plainly(each)) for each in requests]
        told = zip(asked, self._late_interaction.evidence(asked), strict=True)
        return [self._judged(request.question, evidence, request.model) for request, evidence in told]

    def _judged(self, question: str, evidence: Sequence[Evidence], model: str) -> list[float]:
        passages = [each.passage for each in evidence]
        vote = vote_on(question, passages, model)
        absent = absent_kinds(question, passages, self._late_interaction.fields)
        if vote.meaning:
            return relevances_by_meaning(evidence, absent, vote.meaning, vote.by_chance)
        return relevances(evidence, vote.models, absent, vote.by_chance)

    def warm(self) -> None:
        self._late_interaction.warm()


def comparable(request: RerankRequest) -> RerankRequest:
    """The request, without the question's vectors where they are not of MiniLM and some passage has none.

    What lacks vectors gets MiniLM's, which compare with none of another model.
    """
    bare = any(each.dense is None or each.tokens is None for each in request.candidates)
    if request.model != MULTILINGUAL_EMBEDDING or not bare:
        return request
    return replace(request, query=replace(request.query, tokens=None), model="")


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


def _similarity(candidate: Candidate, tokens: Vector) -> Vector:
    """The cosines of the passage's tokens to the question's, (passage tokens, question tokens)."""
    if candidate.tokens is None:
        raise ModelError(f"chunk {candidate.hit.passage.chunk_id} has no token vectors to weigh it by")
    return candidate.tokens.astype(np.float32) @ tokens.T


def maxsim_of(similarity: Vector, weights: Vector) -> float:
    """Each question token's best cosine, squared and averaged by ``weights``; 0 without tokens."""
    if not similarity.size:
        return 0.0
    return float(weights @ np.square(np.maximum(similarity.max(axis=0), 0)))
