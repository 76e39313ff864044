"""Whether a quote is about the very thing that a question names: the model, the year, the person."""

from collections.abc import Mapping, Sequence

import numpy as np

from rag.model import Vector
from rag.text.mentions import mentions_of
from rag.text.pinned import Kind, Pinned, pinned_terms
from workers.generation.dates import date_agreements
from workers.generation.quotes import Quote
from workers.generation.rows import is_of_another
from workers.generation.words import content_words

_MOST = 8
_ANOTHER_ROW = -7.0

_LOSSES: Mapping[Kind, tuple[float, float, float]] = {
    Kind.CODE: (-1.5, -4.0, -7.0),
    Kind.NUMBERED: (-1.0, -2.5, -7.0),
    Kind.YEAR: (0.0, -0.5, -3.0),
    Kind.FULL_NAME: (-0.5, -1.5, -1.5),
}
"""How much a quote loses that lacks something of the kind that a question pins down.

In turn: where its passage has it elsewhere, where the passage has it not, and where the quote
(or what it stands under) has another thing of the kind.
"""


def pinned_words(question: str) -> frozenset[str]:
    """The words of codes and names in the question: a heading that has them speaks for what is below."""
    named = (each.written for each in pinned_terms(question) if each.kind in (Kind.CODE, Kind.FULL_NAME))
    return content_words(" ".join(named))


def agreements(question: str, found: Sequence[Quote]) -> Vector:
    """For each quote at most 0: less for each pinned thing that neither it has nor what it stands under.

    Of several things of a family, as in "the AQ-200 or the AQ-300", one is enough.
    """
    families: dict[object, list[Pinned]] = {}
    for each in [each for each in pinned_terms(question) if each.kind in _LOSSES][:_MOST]:
        families.setdefault(each.family or each, []).append(each)
    named = [
        sum(max(_agreement(quote, each) for each in pinned) for pinned in families.values())
        + _ANOTHER_ROW * is_of_another(quote.cells, question)
        for quote in found
    ]
    return np.array(named, np.float32) + np.array(date_agreements(question, found), np.float32)


def _agreement(quote: Quote, pinned: Pinned) -> float:
    elsewhere, absent, another = _LOSSES[pinned.kind]
    label = quote.statement.label
    near = mentions_of(" ".join((label.text if label else "", quote.verbatim)))
    if pinned.is_in(near):
        return 0.0
    if pinned.family in near.families and (pinned.kind is not Kind.YEAR or quote.cells):
        return _ANOTHER_ROW if quote.cells else another
    above = mentions_of(" ".join((quote.passage.title, quote.passage.searched_title, *quote.path)))
    if pinned.is_in(above):
        return 0.0
    if pinned.family in above.families:
        return another
    if pinned.is_in(mentions_of(quote.passage.text)):
        return _ANOTHER_ROW if quote.cells and pinned.kind is Kind.FULL_NAME else elsewhere
    is_key = pinned.kind in (Kind.CODE, Kind.FULL_NAME)
    return _ANOTHER_ROW if quote.cells and is_key else absent
