"""Questions that compare: each thing that is compared needs a quote of its own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workers.generation.quotes import Quote
from workers.generation.words import content_words

_MOST_DOCUMENTS = 5
_MOST_WORDS = 6  # by which a thing is known
_LONGEST = 500  # characters of a question in which a comparison is looked for

_KINDS = tuple(
    tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
    for patterns in (
        ("", r"\b(?:between|zwischen|entre)\s", r"\s(?:and|und|et|y)\s"),
        ("", r"\b(?:compare|vergleiche)\s", r"\s(?:and|with|to|und|mit)\s"),
        ("", "", r"\s(?:versus|vs\.?|compared to|compared with|im Vergleich zu)\s"),
        (r"\W{0,3}(?:how|worin|wie)\b", r"\b(?:do|does|unterscheiden sich)\s", r"\s(?:and|und)\s"),
        (r"\W{0,3}(?:which|what|who|welche[rsmn]?|was|wer)\b", r"[,:]\s", r"\s(?:or|oder)\s"),
    )
)
"""For each kind of comparison: how the question begins, and what stands before and between the things."""
_END = re.compile(r"\s(?:differ|compare|in terms of|regarding|hinsichtlich|bei)\b", re.IGNORECASE)
_OVER_TIME = re.compile(
    r"\b(?:over time|trend(?:s|ed)?|across (?:the )?(?:quarters|years|periods|documents|reports)|"
    r"each (?:reported )?(?:quarter|year|period|report)|(?:over|in|across) (?:the|these) (?:reported )?"
    r"(?:quarters|periods|years)|(?:compared? to|from) (?:the )?previous (?:quarters|years|periods)|"
    r"im Laufe der (?:Zeit|Jahre)|je(?:des|dem) (?:Jahr|Quartal))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``things``: the words that only one of the compared things has; without any, documents are compared."""

    things: tuple[frozenset[str], ...] = ()

    def sides(self, found: Sequence[Quote]) -> Iterator[list[int]]:
        """For each side, the indices of the quotes that are about it."""
        if not self.things:
            documents = list(dict.fromkeys(quote.passage.document_id for quote in found))[:_MOST_DOCUMENTS]
            for document in documents:
                yield [i for i, quote in enumerate(found) if quote.passage.document_id == document]
        for n, words in enumerate(self.things):
            others = frozenset[str]().union(*(each for m, each in enumerate(self.things) if m != n))
            about = [(i, _about(quote)) for i, quote in enumerate(found)]
            yield [i for i, said in about if words <= said and not others <= said]


def comparison_of(question: str) -> Comparison | None:
    """What the question compares; None where it compares nothing."""
    asked = question[:_LONGEST]
    for begins, before, between in _KINDS:
        opening = before.search(asked) if begins.match(asked) else None
        sides = between.split(asked[opening.end() :], maxsplit=1) if opening else ()
        if len(sides) > 1 and (things := _things(*(content_words(_END.split(side)[0]) for side in sides))):
            return Comparison(things)
    return Comparison() if _OVER_TIME.search(asked) else None


def _things(one: frozenset[str], other: frozenset[str]) -> tuple[frozenset[str], ...]:
    """The words that tell two sides from each other; none where a side has no such word."""
    things = one - other, other - one
    return things if all(0 < len(words) <= _MOST_WORDS for words in things) else ()


def _about(quote: Quote) -> frozenset[str]:
    return quote.own_words | quote.label_words | quote.heading_words
