"""How relevant passages are to a question that only the model of the dense vectors reads.

That model reads a hundred languages, and a question may be in another one than the passages. The passages
stay in the order of the search, unless they disagree with what the question pins down. How much nearer the
best one is than the usual candidate tells whether it answers; so does the cosine itself, and the share of
the question's words where both are in one language.

Fitted on questions in seven languages, each kind left out in turn, and rounded
(``docs/decisions/0059-multilingual-embedding.md``).
"""

from collections.abc import Collection, Sequence
from statistics import median

from rag.text.pinned import Kind
from workers.reranking.relevance import DOUBT, RETRIEVAL, WORDS_BY_CHANCE, Evidence, logistic
from workers.reranking.votes import Meaning

NEARNESS, LEAD, WORDS = 10.0, 20.0, 9.0
OFFSETS = {Meaning.WITHIN: -8.5, Meaning.ACROSS: -6.8}
BRIEF, OF_BRIEF = 120, 1.5
"""Log-odds that the passages answer. Cosines are .12 lower across languages, and lower with a passage of
``BRIEF`` characters or less, a sentence, than with a paragraph."""

COMPARED_ACROSS = frozenset({Kind.NUMBER, Kind.YEAR})
"""What is written alike in every language. Names, codes and dates are not: two of three English questions on
Russian passages have a name in letters that no passage has."""


def relevances_by_meaning(
    candidates: Sequence[Evidence], absent: Collection[Kind], meaning: Meaning, by_chance: float = 0.0
) -> list[float]:
    """The relevance of each candidate, in order, in [0, 1].

    ``absent``: kinds of what the question pins down and no candidate has. ``by_chance``: see ``BY_CHANCE`` of
    :mod:`workers.reranking.votes`.
    """
    if not candidates:
        return []
    scores = [RETRIEVAL * each.retrieval + each.agreement for each in candidates]
    across = meaning is Meaning.ACROSS
    doubt = max((DOUBT[kind] for kind in absent if not across or kind in COMPARED_ACROSS), default=0.0)
    answered = _log_odds(candidates, meaning, by_chance) - doubt
    return [logistic(answered + score - max(scores)) for score in scores]


def _log_odds(candidates: Sequence[Evidence], meaning: Meaning, by_chance: float) -> float:
    best = max(candidates, key=lambda each: each.cosine)
    lead = best.cosine - median(each.cosine for each in candidates)
    odds = NEARNESS * best.cosine + LEAD * lead + OFFSETS[meaning]
    if len(best.passage.text) <= BRIEF:
        odds += OF_BRIEF
    if meaning is Meaning.WITHIN:
        odds += WORDS * (max(each.words for each in candidates) - WORDS_BY_CHANCE - by_chance)
    return odds
