"""Who judges the passages for a question: models that learnt English, the dense vectors, or words alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from rag.model import Passage
from rag.settings.derived import MULTILINGUAL_EMBEDDING
from rag.text.languages import ENGLISH, asked_languages, told_language
from rag.text.scripts import FULL, NONE, model_vote

BY_CHANCE: Mapping[str, float] = {"th": 0.12, "vi": -0.01, "zh": -0.03}
"""How much more of a question than ``WORDS_BY_CHANCE`` of :mod:`workers.reranking.relevance` the best of
unrelated passages has: Thai, which counts in pieces of words, shares many of them by chance; Chinese, which
counts in pairs of characters, and Vietnamese, which has no stretches of letters, fewer."""

UNREAD = frozenset({"vi"})
"""Languages in Latin letters of which the cross-encoder reads nothing: with its vote 43 of 60 Vietnamese
questions without an answer were turned away, and 54 by words alone."""

_FIRST, _BEGINNING = 5, 300
"""Passages, and characters of each, that tell the language of a question which does not."""


class Meaning(Enum):
    """Of question and passages: both are in one language, or they are in two."""

    WITHIN = auto()
    ACROSS = auto()


@dataclass(frozen=True, slots=True)
class Vote:
    """``models``: see :func:`rag.text.scripts.model_vote`. ``by_chance``: see :data:`BY_CHANCE`.

    ``meaning``: that the dense vectors judge, since their model alone reads the languages; else None.
    """

    models: float
    by_chance: float
    meaning: Meaning | None = None


def vote_on(question: str, passages: Sequence[Passage], model: str = "") -> Vote:
    """``passages``: the most promising first. ``model``: the one that made the dense vectors."""
    vote = _vote_without_vectors(question, passages)
    if model != MULTILINGUAL_EMBEDDING:
        return vote
    languages = asked_languages(question)
    told = next(filter(None, (told_language(each.text) for each in passages[:_FIRST])), None)
    across = bool(languages) and told is not None and told not in languages
    if vote.models >= FULL and not across:
        return vote
    return Vote(NONE, vote.by_chance, Meaning.ACROSS if across else Meaning.WITHIN)


def _vote_without_vectors(question: str, passages: Sequence[Passage]) -> Vote:
    """By the question's language; where its words do not tell one, by that of the first passages."""
    languages = asked_languages(question)
    if not languages and passages:
        text = "\n".join(each.text[:_BEGINNING] for each in passages[:_FIRST])
        return Vote(FULL if told_language(text) in (None, ENGLISH) else model_vote(text), 0.0)
    models = model_vote(question) if UNREAD.isdisjoint(languages) else NONE
    return Vote(models, sum(BY_CHANCE.get(each, 0.0) for each in languages))
