"""Reranking by a server of Jina's schema: a cross-encoder reads question and passage together.

Jina's rerankers give a ``relevance_score`` between 0 and 1, the logistic function of what the model says
(jina-reranker-v2's card), and its listwise ones a cosine, whose negative end counts as 0 here. Servers
that give what the model says as it is, such as llama.cpp's, go beyond [-1, 1]; then the logistic
function is applied here, to all scores of the answer.
"""

from collections.abc import Coroutine, Sequence
from functools import partial
from math import exp, isfinite
from typing import Any

from rag.model import Passage
from rag.ports import RerankRequest
from rag.settings import Settings
from workers.jina.batches import BatchLimits, batches, halved
from workers.jina.client import Call, JinaClient, UnusableError, batch_limits, client, wait_for_server
from workers.jina.schema import Ranking
from workers.loop import together
from workers.tokens import estimated

UNRELATED_BELOW = 0.2
"""Best relevance under which a question is about something else than the documents. On the model's card
passages in other languages than the question's begin at .6, and unrelated ones end at .1."""

_PATIENCE = 30.0  # seconds, for a server that is away when a worker starts


class JinaReranker:
    """The ``Reranker`` port; reads the text alone, so any collection will do."""

    reads_vectors = False
    least_candidates = 0  # each is paid for

    def __init__(self, jina: JinaClient, model: str, limits: BatchLimits) -> None:
        self.name = model
        self._jina = jina
        self._limits = limits

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        return self._jina.run(together(map(self._weighed, requests)))

    def warm(self) -> None:
        """Have a text weighed, waiting for a server that is away. ModelError: wrong key or model."""
        wait_for_server(lambda: self._jina.run(self._scores("ready", ["ready"])), patience=_PATIENCE)

    async def _weighed(self, request: RerankRequest) -> list[float]:
        question = _clean(request.question) or "?"
        texts = [_reading(candidate.hit.passage) for candidate in request.candidates]
        each = estimated(question)  # which every text is read with
        calls = [
            halved(batch, partial(self._scores, question))
            for batch in batches(texts, self._limits, each=each)
        ]
        return [score for scores in await together(calls) for score in scores]

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
            tokens=sum(map(estimated, texts)) + len(texts) * estimated(question),
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
    logits = any(abs(score) > 1 for score in scores.values())
    return [_logistic(scores[i]) if logits else max(0.0, scores[i]) for i in range(texts)]


def _logistic(score: float) -> float:
    return 1 / (1 + exp(-max(-500.0, min(500.0, score))))


def _reading(passage: Passage) -> str:
    """Title and headings tell what a passage is about that does not say so itself."""
    about = dict.fromkeys((passage.title, *passage.headings))
    return _clean("\n".join(part for part in (*about, passage.text) if part.strip())) or "."


def _clean(text: str) -> str:
    """As the server can take it: lone surrogates count as '?'."""
    return text.encode("utf-8", "replace").decode().strip()


def reranker(settings: Settings) -> JinaReranker:
    """RERANKER_MODEL at the server that the settings name."""
    return JinaReranker(client(settings), settings.reranker_model, batch_limits(settings))
