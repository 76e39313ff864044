"""Whether the models that learnt English judge the passages for a question, or words alone do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.model import Passage
from rag.text.languages import asked_languages
from rag.text.scripts import model_vote

BY_CHANCE: Mapping[str, float] = {"th": 0.13}
"""How much more of a question than ``WORDS_BY_CHANCE`` of :mod:`workers.reranking.relevance` the best of
unrelated passages has: Thai, which counts in pieces of words, shares many of them by chance."""


@dataclass(frozen=True, slots=True)
class Vote:
    """``models``: see :func:`rag.text.scripts.model_vote`. ``by_chance``: see :data:`BY_CHANCE`."""

    models: float
    by_chance: float


def vote_on(question: str, passages: Sequence[Passage]) -> Vote:
    """By the question's language; where its words do not tell one, by that of the first passage."""
    languages = asked_languages(question)
    if not languages and passages:
        return Vote(model_vote(passages[0].text), 0.0)
    return Vote(model_vote(question), max((BY_CHANCE.get(each, 0.0) for each in languages), default=0.0))
