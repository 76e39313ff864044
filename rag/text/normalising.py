"""Normalises Unicode in time that grows with the length of the text alone."""

import unicodedata
from typing import Literal

_STRETCH = 1_024  # characters; ordering a run of combining marks takes quadratic time
_JAMO = ("\u1160", "\u11ff")  # Hangul vowels and finals


def normalised_form(form: Literal["NFC", "NFKD"], text: str) -> str:
    """``text`` in a form of UAX 15. Over 1,024 combining marks in a run are taken in stretches."""
    if len(text) <= _STRETCH or text.isascii():
        return unicodedata.normalize(form, text)
    pieces: list[str] = []
    start = 0
    while start < len(text):
        furthest = end = min(start + _STRETCH, len(text))
        # Combining marks and these Jamo join the character before them, so no stretch may end there.
        while start < end < len(text) and (
            unicodedata.category(text[end]).startswith("M") or _JAMO[0] <= text[end] <= _JAMO[1]
        ):
            end -= 1
        end = end if end > start else furthest
        pieces.append(unicodedata.normalize(form, text[start:end]))
        start = end
    return "".join(pieces)
