"""Whether a quote is about the very thing that a question names: the model, the year, the person."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np

from rag.model import Vector
from workers.generation.dates import date_agreements
from workers.generation.quotes import Quote
from workers.generation.rows import is_of_another
from workers.generation.words import content_words

_MOST = 8
_ANOTHER_ROW = -7.0

_CODE = re.compile(r"(?<![\w.])(?=[A-Za-z.:/_-]{0,40}[0-9])[A-Za-z0-9]+(?:[.:/_-][A-Za-z0-9]+)*")
_PLAIN_NUMBER = re.compile(r"\d+(?:st|nd|rd|th|s|%)?\Z", re.IGNORECASE)
_YEAR = re.compile(r"(?<![\w.,])(?:19|20)\d\d(?![\w,]|\.\d)")
_NUMBERED = re.compile(r"(?<!\w)([^\W\d_]{3,40})[ -]([A-HJ-Z]|\d{1,12})(?![\w%]|[.,:/-]\w)")
_NAME = re.compile(r"(?<!\w)[A-Z][^\W\d_]+(?:['’-][^\W\d_]+)?(?: [A-Z][^\W\d_]+(?:['’-][^\W\d_]+)?){1,4}")
_DIGITS = re.compile(r"\d+")
_POSSESSIVE = re.compile(r"['’]s?\Z")
_PLURAL = re.compile(r"(?<=[A-Z0-9])s\Z")
_BEYOND = r"(?!\w|[./_-]\d)"
_SPACE = re.compile(r"\s+")


class Kind(Enum):
    """What a question pins down, with how much a quote loses that does not have it.

    In turn: where its passage has it elsewhere, where the passage has it not, and where the quote
    (or what it stands under) has another thing of the kind.
    """

    CODE = (-1.5, -4.0, -7.0)
    NUMBERED = (-1.0, -2.5, -7.0)
    YEAR = (0.0, -0.5, -3.0)
    NAME = (-0.5, -1.5, -1.5)


@dataclass(frozen=True, slots=True)
class Pin:
    """A code, a numbered thing, a year or a name in a question, and what matches it in a text.

    ``others`` matches all things of the same kind.
    """

    kind: Kind
    itself: re.Pattern[str]
    others: re.Pattern[str] | None = None


def pins_of(question: str) -> tuple[Pin, ...]:
    """What the question pins down, at most eight things."""
    found = [
        Pin(Kind.CODE, _exactly(code), _of_the_shape(code.casefold()))
        for code in (_PLURAL.sub("", match[0]) for match in _CODE.finditer(question))
        if not _PLAIN_NUMBER.match(code)
    ]
    found += [
        _numbered(match[1], match[2]) for match in _NUMBERED.finditer(question) if not _YEAR.match(match[2])
    ]
    found += [Pin(Kind.YEAR, _exactly(year), _YEAR) for year in _YEAR.findall(question)]
    after_first = question.find(" ") + 1  # the first word is always capitalised
    found += [
        Pin(Kind.NAME, _exactly(_POSSESSIVE.sub("", match[0])))
        for match in _NAME.finditer(question, after_first)
    ]
    return tuple(found[:_MOST])


def _exactly(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w./])(?<!\d-){re.escape(_plain(text))}{_BEYOND}")


def _numbered(noun: str, number: str) -> Pin:
    """A numbered thing, which a row may write with a colon: "annex B", "Order: 88102"."""
    start = rf"(?<!\w){re.escape(noun.casefold())}\W{{1,3}}"
    other = r"[a-z](?!\w)" if number.isalpha() else rf"\d{{1,12}}{_BEYOND}"
    return Pin(
        Kind.NUMBERED,
        re.compile(rf"{start}{number.casefold()}{_BEYOND}"),
        re.compile(start + other),
    )


def pinned_words(question: str) -> frozenset[str]:
    """The words of codes and names in the question: a heading that has them speaks for what is below."""
    pinned = (*_CODE.findall(question), *_NAME.findall(question, question.find(" ") + 1))
    return content_words(" ".join(pinned))


def agreements(question: str, found: Sequence[Quote]) -> Vector:
    """For each quote at most 0: less for each pinned thing that neither it has nor what it stands under.

    Of several things of a kind, as in "the AQ-200 or the AQ-300", one is enough.
    """
    kinds: dict[str, list[Pin]] = {}
    for pin in pins_of(question):
        kinds.setdefault((pin.others or pin.itself).pattern, []).append(pin)
    named = [
        sum(max(_agreement(quote, pin) for pin in pins) for pins in kinds.values())
        + _ANOTHER_ROW * is_of_another(quote.cells, question)
        for quote in found
    ]
    return np.array(named, np.float32) + np.array(date_agreements(question, found), np.float32)


def _agreement(quote: Quote, pin: Pin) -> float:
    elsewhere, absent, another = pin.kind.value
    label = quote.statement.label
    near = _plain(" ".join((label.text if label else "", quote.verbatim)))
    if pin.itself.search(near):
        return 0.0
    has_another = pin.others is not None and pin.others.search(near) is not None
    if has_another and (pin.kind is not Kind.YEAR or quote.cells):
        return _ANOTHER_ROW if quote.cells else float(another)
    above = _plain_lines(quote.passage.title, quote.passage.searched_title, *quote.path)
    if _is_in(above, pin.itself):
        return 0.0
    if pin.others is not None and _is_in(above, pin.others):
        return float(another)
    if _is_in(_plain_lines(quote.passage.text), pin.itself):
        return _ANOTHER_ROW if quote.cells and pin.kind is Kind.NAME else float(elsewhere)
    return _ANOTHER_ROW if quote.cells and pin.kind in (Kind.CODE, Kind.NAME) else float(absent)


def _of_the_shape(code: str) -> re.Pattern[str]:
    """Matches codes that have numbers where ``code`` has them, and its other characters."""
    pattern = re.escape(_DIGITS.sub("0", code)).replace("0", r"\d{1,20}")
    return re.compile(rf"(?<![\w./]){pattern}{_BEYOND}")


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text.casefold().replace("*", "").replace("`", ""))


@lru_cache(maxsize=64)
def _plain_lines(*lines: str) -> str:
    """A passage, or the headings above it: all its sentences are looked for in the same text."""
    return _plain(" ".join(lines))


@lru_cache(maxsize=512)
def _is_in(text: str, pattern: re.Pattern[str]) -> bool:
    return pattern.search(text) is not None
