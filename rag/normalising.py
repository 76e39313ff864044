"""Normalises Unicode in time that grows with the length of the text alone."""

import unicodedata
from typing import Literal

_STRETCH = 1_024  # characters; ordering a run of combining marks takes quadratic time
_FIRST_MARK = "\u0300"
_JAMO = ("\u1160", "\u11ff")  # Hangul vowels and finals, which join what stands before them


def normalised_form(form: Literal["NFC", "NFKD"], text: str) -> str:
    """``text`` in a form of UAX 15. Over 1,024 combining marks in a run are taken in stretches."""
    if len(text) <= _STRETCH or text.isascii():
        return unicodedata.normalize(form, text)
    pieces: list[str] = []
    start = 0
    while start < len(text):
        furthest = min(start + _STRETCH, len(text))
        # A stretch ends in front of a character that does not join the one before it.
        ends = (end for end in range(furthest, start, -1) if end == len(text) or not _joins(text[end]))
        end = next(ends, furthest)
        pieces.append(unicodedata.normalize(form, text[start:end]))
        start = end
    return "".join(pieces)


def _joins(char: str) -> bool:
    if char < _FIRST_MARK:
        return False
    return unicodedata.category(char).startswith("M") or _JAMO[0] <= char <= _JAMO[1]
