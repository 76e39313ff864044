"""Whether a quote is about the very thing that a question names: the model, the version, the year, the person."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np

from rag.model import Vector
from workers.generation.quotes import Quote

_MOST = 8

_CODE = re.compile(r"(?<![\w.])(?=[A-Za-z.:/_-]{0,40}[0-9])[A-Za-z0-9]+(?:[.:/_-][A-Za-z0-9]+)*")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|s|%)?\Z", re.IGNORECASE)
_YEAR = re.compile(r"(?<![\w.,-])(?:19|20)\d\d(?![\w,]|\.\d)")
_NUMBERED = re.compile(r"(?<!\w)([^\W\d_]{3,})[ -]([A-Z](?!\w)|\d[\w.-]*\w|\d)")
_NAME = re.compile(r"(?<!\w)(?:[A-Z][^\W\d_]+(?:['’-][^\W\d_]+)?)(?: [A-Z][^\W\d_]+)+")
_DIGIT, _LETTER = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")
_SPACE = re.compile(r"\s+")


class Kind(Enum):
    """What a question pins down, with how much a quote loses that does not have it.

    In turn: where its passage has it elsewhere, where the passage has it not, and where the quote
    (or what it stands under) has another thing of the kind.
    """

    CODE = (-1.5, -4.0, -7.0)
    YEAR = (0.0, -0.5, -3.0)
    NAME = (-0.5, -1.5, -1.5)


@dataclass(frozen=True, slots=True)
class Pin:
    """A code, a numbered thing, a year or a name in a question.

    ``others``: matches things of the same kind, of which only the one that equals ``text`` is meant.
    """

    text: str
    kind: Kind
    others: re.Pattern[str] | None = None


def pins_of(question: str) -> tuple[Pin, ...]:
    """What the question pins down, at most eight things."""
    found: dict[str, Pin] = {}
    for match in _NUMBERED.finditer(question):
        noun = re.escape(match[1].casefold())
        value = r"[a-z](?!\w)" if match[2].isalpha() else r"(?:\d[\w.-]*\w|\d)"
        found[_plain(match[0])] = Pin(_plain(match[0]), Kind.CODE, re.compile(rf"(?<!\w){noun}[ -]{value}"))
    inside = " ".join(found)
    for match in _CODE.finditer(question):
        code = _plain(match[0])
        if code not in inside and not _ORDINAL.match(code):
            found[code] = Pin(code, Kind.CODE, _of_the_shape(code))
    for match in _YEAR.finditer(question):
        found.setdefault(match[0], Pin(match[0], Kind.YEAR, _YEAR))
    for match in _NAME.finditer(question, question.find(" ") + 1):
        found.setdefault(_plain(match[0]), Pin(_plain(match[0]), Kind.NAME))
    return tuple(found.values())[:_MOST]


def agreements(question: str, found: Sequence[Quote]) -> Vector:
    """For each quote at most 0: less for each pinned thing that neither it has nor what it stands under.

    Of several things of a kind, as in "the AQ-200 or the AQ-300", one is enough.
    """
    kinds: dict[str, list[Pin]] = {}
    for pin in pins_of(question):
        kinds.setdefault(pin.others.pattern if pin.others else pin.text, []).append(pin)
    return np.array(
        [sum(max(_agreement(quote, pin) for pin in pins) for pins in kinds.values()) for quote in found],
        dtype=np.float32,
    )


def _agreement(quote: Quote, pin: Pin) -> float:
    elsewhere, absent, another = pin.kind.value
    label = quote.statement.label
    near = _plain(" ".join((label.text if label else "", quote.verbatim)))
    if _has(near, pin.text):
        return 0.0
    if quote.cells:  # a row is about what it names, and nothing else
        return float(Kind.CODE.value[-1])
    above = _plain(" ".join((quote.passage.title, *quote.path)))
    if pin.kind is Kind.CODE and pin.others is not None and pin.others.search(near):
        return float(another)
    if _has(above, pin.text):
        return 0.0
    if pin.others is not None and pin.others.search(above):
        return float(another)
    return float(elsewhere if _has(_plain_passage(quote.passage.text), pin.text) else absent)


def _has(text: str, pinned: str) -> bool:
    """Whether ``pinned`` stands in ``text`` and is no part of a longer code."""
    start = text.find(pinned)
    while start >= 0:
        end = start + len(pinned)
        before, after = text[max(0, start - 2) : start], text[end : end + 2]
        if not (_continues(before[::-1]) or _continues(after)):
            return True
        start = text.find(pinned, start + 1)
    return False


def _continues(beyond: str) -> bool:
    """Whether a code goes on with these two characters: "3.6" does in "3.6.4", and does not in "3.6. It"."""
    if not beyond:
        return False
    return beyond[0].isalnum() or (len(beyond) > 1 and beyond[0] in ".-/_" and beyond[1].isdigit())


def _of_the_shape(code: str) -> re.Pattern[str]:
    """Matches codes that have letters and digits where ``code`` has them, and its other characters."""
    shape = _DIGIT.sub("0", _LETTER.sub("a", code))
    pattern = "".join({"0": r"\d{1,20}", "a": r"[^\W\d_]{1,20}"}.get(each, re.escape(each)) for each in shape)
    return re.compile(rf"(?<![\w.]){pattern}(?![\w]|[.-]\d)")


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text.casefold().replace("*", "").replace("`", ""))


@lru_cache(maxsize=32)
def _plain_passage(text: str) -> str:
    return _plain(text)
