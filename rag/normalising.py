"""Unicode normalisation whose time grows with the text alone."""

import unicodedata
from collections.abc import Iterator
from typing import Literal

_STRETCH = 1_024  # characters; ordering a run of combining marks takes quadratic time
_FIRST_MARK = "\u0300"
_JAMO = ("\u1160", "\u11ff")  # Hangul vowels and finals, which join what stands before them


def normalised_form(form: Literal["NFC", "NFKD"], text: str) -> str:
    """``text`` in a form of UAX 15; of a run of combining marks over 1,024 each stretch by itself."""
    if len(text) <= _STRETCH or text.isascii():
        return unicodedata.normalize(form, text)
    return "".join(unicodedata.normalize(form, stretch) for stretch in _stretches(text))


def _stretches(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = _end(text, start)
        yield text[start:end]
        start = end


def _end(text: str, start: int) -> int:
    """Where a stretch from ``start`` ends: in front of a character that joins none before it."""
    furthest = start + _STRETCH
    if furthest >= len(text):
        return len(text)
    return next((end for end in range(furthest, start, -1) if not _joins(text[end])), furthest)


def _joins(char: str) -> bool:
    if char < _FIRST_MARK:
        return False
    return unicodedata.category(char).startswith("M") or _JAMO[0] <= char <= _JAMO[1]
