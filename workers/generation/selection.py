"""Chooses the quotes of an answer: as few as a person would give."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rag.model import Vector
from workers.generation.quotes import Quote
from rag.text.sentences import Kind

_MOST_QUOTES = 3
_ENOUGH = 0.6
_FLAT = float(os.environ.get("FLAT", 0.35))
_LONGEST_STRETCH = int(os.environ.get("STRETCH", 450))
_LONGEST_ANTECEDENT = 300


def choose(found: Sequence[Quote], scored: Vector) -> list[Quote]:
    """As few quotes as probably hold the answer, in reading order; none repeats another.

    Where no quote stands out, a stretch of the passage that most probably holds the answer.
    """
    chance = np.exp(scored - scored.max())
    chance /= chance.sum()
    best = int(chance.argmax())
    if chance[best] < _FLAT and (stretch := _stretch(found, chance)) is not None:
        return [stretch]
    return [_with_antecedent(quote, found) for quote in _most_likely(found, chance)]


def _most_likely(found: Sequence[Quote], chance: Vector) -> list[Quote]:
    """As few quotes as have ``_ENOUGH`` chance: passages by their best quote, then by their place."""
    chosen: list[Quote] = []
    total = 0.0
    for i in np.argsort(-chance, kind="stable"):
        if total >= _ENOUGH or len(chosen) == _MOST_QUOTES:
            break
        total += float(chance[i])
        if not any(found[i].says_the_same_as(other) for other in chosen):
            chosen.append(found[i])
    ranks = list(dict.fromkeys(quote.rank for quote in chosen))
    return sorted(chosen, key=lambda quote: (ranks.index(quote.rank), quote.start))


def _stretch(found: Sequence[Quote], chance: Vector) -> Quote | None:
    """The neighbouring sentences that together have the best chance, under one heading or label."""
    best: tuple[float, Quote] | None = None
    for first in range(len(found)):
        total = 0.0
        quote = found[first]
        if quote.whole or quote.cells:
            continue
        for last in range(first, len(found)):
            if not _goes_with(found[first], found[last]):
                break
            parts = (*quote.parts, *(found[last].parts if last > first else ()))
            if parts[-1].end - parts[0].start > _LONGEST_STRETCH and last > first:
                break
            quote = replace(quote, parts=parts)
            total += float(chance[last])
            if best is None or total > best[0] + 0.02:
                best = total, quote
    return best[1] if best else None


def _goes_with(first: Quote, other: Quote) -> bool:
    a, b = first.statement, other.statement
    return (
        first.rank == other.rank and a.label is b.label and a.headings == b.headings
        and not other.whole and not other.cells and all(p.kind is Kind.PROSE for p in other.parts)
    )


def _with_antecedent(quote: Quote, found: Sequence[Quote]) -> Quote:
    """The quote with the sentence before it, if it begins with a pronoun."""
    if not quote.needs_a_noun or quote.statement.distance == 0 and quote.statement.label:
        return quote
    before = next(
        (each for each in reversed(found[: found.index(quote)]) if _goes_with(quote, each)), None
    )
    if before is None or quote.end - before.start > _LONGEST_ANTECEDENT + quote.end - quote.start:
        return quote
    return replace(quote, parts=(*before.parts, *quote.parts))
