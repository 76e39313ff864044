"""Normalises Unicode in time that grows with the length of the text alone."""

import re
import unicodedata
from typing import Literal

_STRETCH = 1_024  # characters; ordering a run of combining marks takes quadratic time
_JAMO = ("\u1160", "\u11ff")  # Hangul vowels and finals
_POINTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]+")
"""Accents, Hebrew and Arabic vowel points, and the stroke that only stretches Arabic words."""

_GROUP_SPACE = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")

_DIGITS = {
    code: str(value)
    for code in range(0x660, 0xABFA)  # NFKD makes the others from these
    if (value := unicodedata.decimal(chr(code), None)) is not None
}
_ALIKE = str.maketrans(
    _DIGITS
    | {"\u0671": "\u0627", "\u0649": "\u064a", "\u0629": "\u0647"}  # alef wasla, alef maksura, teh marbuta
    | {"\u066b": ".", "\u066c": ","}  # Arabic decimal and thousands separators
    | {"\u06cc": "\u064a", "\u06a9": "\u0643"}  # Persian yeh and kaf
    | {"\u0131": "i", "\u0142": "l", "\u00f8": "o", "\u0111": "d"}  # letters that NFKD does not take apart
)


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


def folded(text: str) -> str:
    """``text`` without accents and vowel points, with the digits 0 to 9 for those of every script.

    Letters that a script writes in several ways become one: the forms of alef, yeh and heh in
    Arabic, the dotless i. Case stays. Indic vowel signs stay, since they tell words apart.
    """
    if text.isascii():
        return text
    grouped = _GROUP_SPACE.sub("'", text)  # NFKD would make it a space like those between words
    bare = _POINTS.sub("", normalised_form("NFKD", grouped))
    return normalised_form("NFC", bare).translate(_ALIKE)
