"""What of a question the reranker compares with the passages."""

from dataclasses import replace

from rag.ports import RerankRequest
from rag.text.questions import core_of
from rag.text.spelling import spelled_like


def plainly(request: RerankRequest) -> RerankRequest:
    """The request with the core of its question, spelt as the candidates are."""
    texts = [each.hit.passage.text for each in request.candidates]
    return replace(request, question=spelled_like(texts, core_of(request.question)))
