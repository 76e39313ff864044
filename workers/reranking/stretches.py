"""The sentences of a passage that come nearest to a question.

A passage that states many facts hides the one that answers: to the whole list of questions and answers of a
customer service the cross-encoder gives a logit of -7, and of 3 to the two lines that answer.
"""

from collections.abc import Sequence

import numpy as np

from rag.model import Vector
from rag.text.sentences import sentences
from workers.reranking.late_interaction import maxsim_of

SENTENCES = 2
"""Of a stretch: a question of a list and its answer, a label and its value, a noun and its pronoun."""


def nearest_stretches(
    text: str, spans: Sequence[tuple[int, int]], similarity: Vector, weights: Vector, count: int
) -> list[str]:
    """At most ``count`` stretches of ``text`` by their MaxSim, the nearest first; no two overlap.

    ``spans``: the characters behind each row of ``similarity``, the cosines of the passage's tokens to the
    question's. ``weights``: of the question's tokens. Empty where the text is one stretch.
    """
    parts = sentences(text)
    if len(parts) <= SENTENCES:
        return []
    starts = [start for start, _ in spans[: len(similarity)]]
    firsts = range(len(parts) - SENTENCES + 1)
    rated = [
        _rating(similarity, weights, starts, parts[first].start, parts[first + SENTENCES - 1].end)
        for first in firsts
    ]
    chosen: list[int] = []
    for first in sorted(firsts, key=lambda each: -rated[each]):
        if len(chosen) == count:
            break
        if all(abs(first - other) >= SENTENCES for other in chosen):
            chosen.append(first)
    return [text[parts[first].start : parts[first + SENTENCES - 1].end] for first in chosen]


def _rating(similarity: Vector, weights: Vector, starts: list[int], start: int, end: int) -> float:
    first, last = np.searchsorted(starts, (start, end))
    return maxsim_of(similarity[first:last], weights)
