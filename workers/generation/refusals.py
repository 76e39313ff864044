"""Whether a question is refused before its answer is written, and why."""

from math import log

from rag.model import Answer, Passage, Reason, Refusal
from rag.ports import GenerationRequest
from rag.text.asking import has_content
from rag.text.context import text_in_context
from rag.text.pinned import Kind, Pinned, absent_terms
from rag.text.questions import core_of
from workers.generation.prompting import NOT_FOUND
from workers.reranking.relevance import DOUBT

_LEAST, _MOST = 1e-6, 1 - 1e-6
_NAMED = 8
"""Absent terms at most that a refusal names."""


def refusal_of(
    request: GenerationRequest, min_relevance: float, metadata_fields: tuple[str, ...] = ()
) -> Refusal | None:
    """Why no answer is written from the passages; None where one is.

    ``min_relevance``: the best passage must reach it. 0: every question with a passage is answered.
    ``metadata_fields``: of passages that count as their context.
    """
    if not request.passages:
        return Refusal(Reason.NO_PASSAGES)
    if min_relevance > 0 and not has_content(request.question):
        return Refusal(Reason.NOTHING_ASKED)
    best = max(candidate.hit.score for candidate in request.passages)
    if best >= min_relevance:
        return None
    absent = _absent(request, metadata_fields)
    doubt = max((DOUBT.get(each.kind, 0.0) for each in absent), default=0.0)
    is_decisive = _log_odds(best) + doubt >= _log_odds(min_relevance)
    return _differing(absent if is_decisive else ()) or Refusal(Reason.UNRELATED)


def unstated(request: GenerationRequest, metadata_fields: tuple[str, ...] = ()) -> Refusal:
    """Why passages that are relevant hold nothing to quote."""
    return _differing(_absent(request, metadata_fields)) or Refusal(Reason.NOT_STATED)


def refuse(request: GenerationRequest, refusal: Refusal) -> Answer:
    """Emit and return "not found"."""
    request.emit(NOT_FOUND)
    return Answer(NOT_FOUND, (), refusal)


def _absent(request: GenerationRequest, metadata_fields: tuple[str, ...]) -> tuple[Pinned, ...]:
    passages: list[Passage] = [candidate.hit.passage for candidate in request.passages]
    return absent_terms(
        core_of(request.question), (text_in_context(each, metadata_fields) for each in passages)
    )


def _differing(absent: tuple[Pinned, ...]) -> Refusal | None:
    """Names each absent thing by the longest of its names: "order 88102", not the number alone.

    A word and a number that only stand together elsewhere are not absent.
    """
    written = [each.written for each in absent]
    lacking = dict.fromkeys(
        max((other for other in written if f" {each.written} " in f" {other} "), key=len)
        for each in absent
        if each.kind is not Kind.NUMBERED
    )
    return Refusal(Reason.DIFFERS_IN, tuple(lacking)[:_NAMED]) if lacking else None


def _log_odds(chance: float) -> float:
    bounded = min(max(chance, _LEAST), _MOST)
    return log(bounded / (1 - bounded))
