"""Questions that compare: each thing that is compared needs a quote of its own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workers.generation.quotes import Quote
from workers.generation.words import content_words

_MOST_DOCUMENTS = 5
_LONGEST = 300  # characters of a side

_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:between|zwischen|entre)\s(.{{1,{_LONGEST}}}?)\s(?:and|und|et|y)\s(.{{1,{_LONGEST}}})",
        rf"\b(?:compare|vergleiche)\s(.{{1,{_LONGEST}}}?)\s(?:and|with|to|und|mit)\s(.{{1,{_LONGEST}}})",
        rf"(.{{1,{_LONGEST}}}?)\s(?:versus|vs\.?|compared (?:to|with)|im Vergleich zu)\s(.{{1,{_LONGEST}}})",
        rf"\b(?:how|worin|wie)\b(?:\sdoe?s?|\sunterscheiden sich)?\s(.{{1,{_LONGEST}}}?)\s(?:and|und)\s"
        rf"(.{{1,{_LONGEST}}}?)\s?(?:differ|compare|\Z)",
        rf"\b(?:which|what|who|welche[rsmn]?|was|wer)\b[^,:]{{1,{_LONGEST}}}[,:]\s(.{{1,{_LONGEST}}}?)\s"
        rf"(?:or|oder)\s(.{{1,{_LONGEST}}})",
    )
)
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
    for pattern in _PATTERNS:
        if match := pattern.search(question):
            one, other = map(content_words, match.groups())
            things = one - other, other - one
            if all(things) and max(map(len, things)) <= 6:
                return Comparison(things)
    return Comparison() if _OVER_TIME.search(question) else None


def _about(quote: Quote) -> frozenset[str]:
    return quote.own_words | quote.label_words | quote.heading_words
