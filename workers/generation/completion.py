"""Completes chosen quotes: the noun of a pronoun, the rest of a list, the sources where they differ."""

import re
from collections.abc import Sequence
from dataclasses import replace

from rag.text.sentences import Kind
from workers.generation.quotes import Quote
from workers.generation.selection import antecedent

_LONGEST_ANTECEDENT = 300  # characters
_LONGEST_NAME = 80  # characters
_ALIKE = 0.5
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def complete(chosen: Sequence[Quote], found: Sequence[Quote]) -> list[Quote]:
    """The chosen quotes with what they need to be understood, and what their lists go on with."""
    completed: list[Quote] = []
    for quote in (_with_antecedent(each, found) for each in chosen):
        if not any(other.covers(quote) for other in completed):
            completed.append(quote)
    whole: list[Quote] = []
    for quote in completed:
        whole += _with_rest(quote, found) if quote.whole else [quote]
    return whole


def _with_antecedent(quote: Quote, found: Sequence[Quote]) -> Quote:
    """The quote from the sentence before it on, if it begins with a pronoun or has no subject."""
    label = quote.statement.label
    if not quote.needs_a_noun or (label is not None and quote.statement.distance == 0):
        return quote
    before = antecedent(quote, found)
    if before is None or before.whole or before.cells or before.statement.label is not label:
        return quote
    here, there = quote.statement.headings, before.statement.headings
    if quote.start - before.start > _LONGEST_ANTECEDENT or there != here:
        return quote
    if quote.lacks_a_subject and before.parts[-1].kind is not Kind.CODE:
        return quote
    return replace(quote, parts=(*before.parts, *quote.parts))


def _with_rest(quote: Quote, found: Sequence[Quote]) -> list[Quote]:
    """The list with its beginning and its end, where these are in the passages before and after it."""
    before = [each for each in found if quote.began_before and _touches(each, quote)][:1]
    after = [each for each in found if _touches(quote, each)][:1]
    begins = [replace(each, goes_on=False) for each in before]
    own = replace(quote, begins=not before, goes_on=not after)
    return [*begins, own, *(replace(each, begins=False) for each in after)]


def _touches(one: Quote, other: Quote) -> bool:
    """Whether a list goes on from the end of one passage to the beginning of the next."""
    here, there = one.passage, other.passage
    follows = here.document_id == there.document_id and here.version == there.version
    if not follows or here.index + 1 != there.index:
        return False
    ends = one.parts[-1].kind is Kind.ITEM and not here.text[one.end :].strip()
    starts = other.parts[0].kind is Kind.ITEM and not there.text[: other.start].strip()
    return ends and starts and (one.whole or other.whole)


def sources(chosen: Sequence[Quote]) -> list[str]:
    """For each quote the name of its document, where documents say different things of a kind; else ""."""
    names = [_name(quote, chosen) for quote in chosen]
    return [
        name if any(_differ(quote, other) for other in chosen if other is not quote) else ""
        for name, quote in zip(names, chosen, strict=True)
    ]


def newest_first(chosen: Sequence[Quote]) -> list[Quote]:
    """The quotes, where their documents differ in the year that names them the newest first."""
    named = (f"{quote.passage.title} {quote.passage.searched_title}" for quote in chosen)
    years = [max(_YEAR.findall(name), default="") for name in named]
    if len(set(years)) < 2 or not all(years):
        return list(chosen)
    return [
        quote for _, quote in sorted(zip(years, chosen, strict=True), key=lambda each: each[0], reverse=True)
    ]


def _differ(one: Quote, other: Quote) -> bool:
    if one.passage.document_id == other.passage.document_id:
        return False
    shared = len(one.own_words & other.own_words)
    return shared >= _ALIKE * min(len(one.own_words), len(other.own_words))


def _name(quote: Quote, chosen: Sequence[Quote]) -> str:
    """The title that tells the quote's document from the others; "" where none does."""
    passage = quote.passage
    others = [each.passage for each in chosen if each.passage.document_id != passage.document_id]
    for field in ("title", "searched_title"):
        name = str(getattr(passage, field))
        if name and all(getattr(each, field) != name for each in others):
            return name if len(name) <= _LONGEST_NAME else ""
    return ""
