"""Chooses what the cross-encoder reads, since that takes longer than all else that answers a question."""

from collections.abc import Sequence

from workers.reranking.relevance import Evidence, promise

MOST_READ = 15
LEAST_READ = 3
MOST_BEHIND = 3.0
"""How far a candidate's score may lie behind the best one's. Few that lie farther behind get first.

Of SQuAD's candidates four lie so near, and reading ten of them all the same ranks no better. Of reports that
say the same of each quarter 14 do, and reading 15 of them instead of ten finds half as many figures more.
"""

MOST_CHARACTERS = 9_000
"""Of all passages that are read: about 2,200 tokens, 190 ms of processor time."""


def worth_reading(candidates: Sequence[Evidence], vote: float) -> list[int]:
    """Places of the candidates to read, the most promising first. ``vote``: how far the models read them."""
    scores = [promise(each, vote) for each in candidates]
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
