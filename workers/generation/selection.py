"""Chooses the quotes of an answer: as few as a person would give."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from rag.model import Vector
from rag.text.sentences import Kind
from workers.generation.comparison import Comparison
from workers.generation.quotes import Quote

_MOST_QUOTES = 3
_MOST_ALIKE = 6
_ENOUGH = 0.75
_FLAT = 0.2
_AS_GOOD = 1.5
"""Natural logarithm of how many times likelier the best quote may be than one that is named beside it."""
_ALIKE = 0.5
_LONGEST_STRETCH, _MOST_SENTENCES = 450, 12  # characters, sentences
_WORTH_A_SENTENCE = 0.02
_WORTH_A_SIDE = 5.0
_OF_ANOTHER = -7.0
"""Agreement of a quote about another thing than the one that is asked for."""


def choose(
    found: Sequence[Quote], scored: Vector, agreements: Vector, comparison: Comparison | None = None
) -> list[Quote]:
    """As few quotes as probably hold the answer, in reading order; none repeats another.

    ``scored``: the log of each quote's chance, up to a constant. ``agreements``: at most 0; quotes about
    another thing than the one asked for are never chosen. Where no quote stands out, a stretch of the
    passage that most probably holds the answer. A comparison gets a quote for each of its sides.
    """
    usable = np.flatnonzero(agreements > _OF_ANOTHER).tolist()
    if not usable:
        return []
    found, scored, agreements = [found[i] for i in usable], scored[usable], agreements[usable]
    chance = np.exp(scored - scored.max())
    chance /= chance.sum()
    if comparison is not None and len(sides := _one_each(found, scored, comparison)) > 1:
        return sides
    as_good = _as_good(found, scored, agreements)
    if float(chance.max()) < _FLAT and not as_good and (stretch := _stretch(found, chance)) is not None:
        return [stretch]
    return _in_order([*_most_likely(found, chance), *as_good])


def _most_likely(found: Sequence[Quote], chance: Vector) -> list[Quote]:
    """As few quotes as have ``_ENOUGH`` chance."""
    chosen: list[Quote] = []
    total = 0.0
    for i in np.argsort(-chance, kind="stable"):
        if total >= _ENOUGH or len(chosen) == _MOST_QUOTES:
            break
        total += float(chance[i])
        if not _repeats(found[i], chosen):
            chosen.append(found[i])
    return chosen


def _as_good(found: Sequence[Quote], scored: Vector, agreements: Vector) -> list[Quote]:
    """The quotes that say the like of the best one of other things, and agree with the question as well.

    They are those of several hosts that have one address, and of two models of which none is named.
    """
    best = int(scored.argmax())
    chosen: list[Quote] = []
    for i in np.argsort(-scored, kind="stable"):
        if scored[i] < scored[best] - _AS_GOOD or len(chosen) == _MOST_ALIKE:
            break
        if agreements[i] >= agreements[best] and _is_parallel(found[i], found[best]):
            chosen += [found[i]] if not _repeats(found[i], chosen) else []
    return chosen if len(chosen) > 1 else []


def _is_parallel(one: Quote, other: Quote) -> bool:
    """Whether two quotes share most of their words, as "Model A weighs 5 kg" and "Model B weighs 7 kg" do."""
    fewer = min(len(one.own_words), len(other.own_words))
    sentences = not (one.whole or other.whole or one.cells or other.cells)
    return sentences and len(one.own_words & other.own_words) > _ALIKE * fewer


def _one_each(found: Sequence[Quote], scored: Vector, comparison: Comparison) -> list[Quote]:
    """The best quote for each side of a comparison that has a good one, in the order of the question."""
    chosen: list[Quote] = []
    for side in comparison.sides(found):
        best = max((int(i) for i in side), key=lambda i: float(scored[i]), default=None)
        good = best is not None and scored[best] > scored.max() - _WORTH_A_SIDE
        if best is not None and good and not _repeats(found[best], chosen):
            chosen.append(found[best])
    return chosen


def _stretch(found: Sequence[Quote], chance: Vector) -> Quote | None:
    """The neighbouring sentences that together have the best chance, under one heading or label."""
    best: Sequence[Quote] = ()
    most = 0.0
    for i, first in enumerate(found):
        total = 0.0
        for j, quote in enumerate(found[i : i + _MOST_SENTENCES], i):
            if j > i and not (goes_with(quote, first) and quote.end - first.start <= _LONGEST_STRETCH):
                break
            total += float(chance[j])
            if total > most + _WORTH_A_SENTENCE:
                best, most = found[i : j + 1], total
    return replace(best[0], parts=tuple(part for quote in best for part in quote.parts)) if best else None


def goes_with(quote: Quote, first: Quote) -> bool:
    """Whether ``quote`` is running text of the same passage, heading and label as ``first``."""
    here, there = quote.statement, first.statement
    together = quote.rank == first.rank and here.label is there.label and here.headings == there.headings
    running = all(part.kind is Kind.PROSE for part in (*quote.parts, *first.parts))
    return together and running and not quote.cells and not first.cells


def _repeats(quote: Quote, chosen: Iterable[Quote]) -> bool:
    return any(quote.says_the_same_as(other) for other in chosen)


def _in_order(chosen: Sequence[Quote]) -> list[Quote]:
    """Each once: passages by their best quote, then quotes by their place."""
    kept: list[Quote] = []
    for quote in chosen:
        if not _repeats(quote, kept):
            kept.append(quote)
    ranks = list(dict.fromkeys(quote.rank for quote in kept))
    return sorted(kept, key=lambda quote: (ranks.index(quote.rank), quote.start))


def antecedent(quote: Quote, found: Sequence[Quote]) -> Quote | None:
    """The quote right before ``quote`` in its passage, of which ``quote`` is no part; None where none is."""
    before = takewhile(lambda each: each is not quote, found)
    inside = [each for each in before if each.rank == quote.rank and each.end <= quote.start]
    return inside[-1] if inside else None
