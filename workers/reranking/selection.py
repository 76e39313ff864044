"""Chooses what the cross-encoder reads, since that takes longer than all else that answers a question."""

from collections.abc import Sequence

from workers.reranking.relevance import PINNED, Evidence, late_score

MOST_READ = 10
LEAST_READ = 3
MOST_BEHIND = 3.0
"""How far a candidate's score may lie behind the best one's. Few that lie farther behind get first."""

MOST_CHARACTERS = 4_000
"""Of all passages that are read: about 1,000 tokens, 100 ms on one core."""


def worth_reading(candidates: Sequence[Evidence]) -> list[int]:
    """Places of the candidates to read, the most promising first."""
    scores = [late_score(each) + PINNED * each.pinned for each in candidates]
    ranked = sorted(range(len(candidates)), key=lambda place: -scores[place])
    chosen: list[int] = []
    characters = 0
    for place in ranked[:MOST_READ]:
        characters += len(candidates[place].passage.text)
        is_far = scores[place] < scores[ranked[0]] - MOST_BEHIND
        if len(chosen) >= LEAST_READ and (is_far or characters > MOST_CHARACTERS):
            break
        chosen.append(place)
    return chosen
