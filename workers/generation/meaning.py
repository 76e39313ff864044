"""How near a question is in meaning to parts of passages, from stored token vectors."""

from collections.abc import Callable, Sequence

import numpy as np

from rag.model import Candidate, Embedding, Vector
from workers.generation.quotes import Quote

TokenSpans = Callable[[str], Sequence[tuple[int, int]]]
"""A text to the characters behind each row of its token vectors."""


def meaning(
    query: Embedding, passages: Sequence[Candidate], found: Sequence[Quote], spans: TokenSpans
) -> Vector | None:
    """The question's weighted MaxSim (Khattab & Zaharia 2020) over each quote's tokens, (quotes,).

    Nothing is encoded: token vectors are those of the whole passage, so they know what a
    sentence's "it" stands for. None when any passage, or the question, has no token vectors.
    """
    cosines = [_cosines(query, candidate) for candidate in passages]
    starts = [[start for start, _ in spans(candidate.hit.passage.text)] for candidate in passages]
    nearness = np.zeros(len(found), dtype=np.float32)
    for i, quote in enumerate(found):
        known = cosines[quote.rank]
        if known is None or known.shape[1] != len(starts[quote.rank]):
            return None
        first, last = np.searchsorted(starts[quote.rank], (quote.start, quote.end))
        if first < last:
            nearness[i] = _weights(query) @ known[:, first:last].max(axis=1)
    return nearness


def _cosines(query: Embedding, candidate: Candidate) -> Vector | None:
    """(question tokens, passage tokens)."""
    if query.tokens is None or candidate.tokens is None or not len(query.tokens):
        return None
    return query.tokens.astype(np.float32) @ candidate.tokens.astype(np.float32).T


def _weights(query: Embedding) -> Vector:
    """One weight a question token, 1 in sum."""
    if query.tokens is None:
        return np.zeros(0, dtype=np.float32)
    weights = np.ones(len(query.tokens), dtype=np.float32) if query.weights is None else query.weights
    return weights / max(float(weights.sum()), 1e-9)
