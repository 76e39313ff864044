"""Reranking by a server of Jina's schema: a cross-encoder reads question and passage together.

Jina's rerankers return a ``relevance_score`` between 0 and 1, the logistic function of the model's
logit (jina-reranker-v2's card), and its listwise ones a cosine, whose negative end counts as 0 here.
Servers that return the logit itself, such as llama.cpp's, go beyond [-1, 1]; then this module applies
the logistic function to all scores of the answer.
"""

from collections.abc import Coroutine, Sequence
from functools import partial
from math import exp, isfinite
from typing import Any

from rag.ports import RerankRequest
from rag.settings import Settings
from rag.text.context import text_in_context
from workers.jina.answers import Ranking, UnusableError
from workers.jina.batches import BatchLimits, batches, call_in_parts
from workers.jina.client import Call, JinaClient, batch_limits, client, wait_for_server
from workers.loop import gather
from workers.tokens import estimated_tokens

UNRELATED_BELOW = 0.2
"""When the best relevance is below, the question is unrelated to the documents. On the model's card
passages in other languages than the question's begin at .6, and unrelated ones end at .1."""

_PATIENCE = 30.0  # seconds, for a server that is away when a worker starts


class JinaReranker:
    """The ``Reranker`` port. It reads only the text, so it works with any collection."""

    reads_vectors = False
    least_candidates = 0  # each costs money

    def __init__(
        self, jina: JinaClient, model: str, limits: BatchLimits, metadata_fields: Sequence[str] = ()
    ) -> None:
        self.name = model
        self._jina = jina
        self._limits = limits
        self._fields = metadata_fields

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        return self._jina.run(gather(map(self._score, requests)))

    def warm(self) -> None:
        """Score a text, waiting for a server that is away. ModelError: wrong key or model."""
        wait_for_server(lambda: self._jina.run(self._scores("ready", ["ready"])), patience=_PATIENCE)

    async def _score(self, request: RerankRequest) -> list[float]:
        question = _clean(request.question) or "?"
        # title and headings say what a passage is about when its text does not
        texts = [_clean(text_in_context(c.hit.passage, self._fields)) or "." for c in request.candidates]
        each = estimated_tokens(question)  # the model reads the question again with every text
        calls = [
            call_in_parts(batch, partial(self._scores, question))
            for batch in batches(texts, self._limits, each=each)
        ]
        return [score for scores in await gather(calls) for score in scores]

    def _scores(self, question: str, texts: Sequence[str]) -> Coroutine[Any, Any, list[float]]:
        body = {
            "model": self.name,
            "query": question,
            "documents": list(texts),
            "top_n": len(texts),
            "return_documents": False,
        }
        call = Call(
            path="/rerank",
            body=body,
            answer=Ranking,
            read=partial(probabilities, texts=len(texts)),
            tokens=sum(map(estimated_tokens, texts)) + len(texts) * estimated_tokens(question),
            purpose="rerank",
            urgent=True,
        )
        return self._jina.post(call)


def probabilities(answer: Ranking, texts: int) -> list[float]:
    """Relevance in [0, 1] of each text, in their order. UnusableError when one is missing or NaN."""
    scores = {entry.index: entry.relevance_score for entry in answer.results}
    if set(scores) != set(range(texts)) or len(answer.results) != texts:
        raise UnusableError(f"the server weighed {len(answer.results)} of {texts} passages")
    if not all(map(isfinite, scores.values())):
        raise UnusableError("the server gave a relevance of NaN or infinity")
    in_order = [scores[i] for i in range(texts)]
    if any(abs(score) > 1 for score in in_order):  # logits; bounded so that exp cannot overflow
        return [1 / (1 + exp(-max(-500.0, min(500.0, score)))) for score in in_order]
    return [max(0.0, score) for score in in_order]


def _clean(text: str) -> str:
    """``text`` with '?' for lone surrogates, which UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode().strip()


def reranker(settings: Settings) -> JinaReranker:
    """RERANKER_MODEL at the server that the settings name."""
    limits = batch_limits(settings)
    return JinaReranker(client(settings), settings.reranker_model, limits, settings.context_metadata)
