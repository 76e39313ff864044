"""Tells lines of a script that the model does not know: it writes them in Latin letters that look alike.

Measured on pages in Russian, Ukrainian, Greek, Arabic, Hebrew and Georgian: most lines have fewer characters
than fit into them, or a confidence below 0.9. Print in Latin letters has at least 0.95, with noise too.
Russian in capitals can have 0.96.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from rag.model import TextLine

_WORD = re.compile(r"[^\W\d_]+")
_GREEK, _LATIN = "GREEK", "LATIN"
_MOSTLY = 0.5
_LONG_WORD = 4
_MANY_MIXED = 2
_FEWEST_LETTERS = 6
_SURE = 0.97
_MANY_UNREAD = 0.35
"""Part of the length of a page's lines: where so much is unreadable, the others may be of that script."""

_SHORT = 3
"""Times its height: a shorter line may hold anything."""


def has_unknown_letters(text: str) -> bool:
    """Whether the line is Greek, of which the model lacks letters, or mixes two alphabets in words."""
    words = [_alphabets(word) for word in _WORD.findall(text)]
    letters = [alphabet for word in words for alphabet in word]
    if len(letters) >= _FEWEST_LETTERS and letters.count(_GREEK) >= _MOSTLY * len(letters):
        return True
    mixed = [word for word in words if len(word) >= _LONG_WORD and {_GREEK, _LATIN} <= set(word)]
    return len(mixed) >= _MANY_MIXED


def without_doubtful(lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines of a page, without the text of doubtful ones where much of the page cannot be read at all."""
    lengths = [_length(line) for line in lines]
    unread = sum(length for line, length in zip(lines, lengths, strict=True) if not line.text)
    if not lines or unread < _MANY_UNREAD * sum(lengths):
        return list(lines)
    return [line if line.confidence >= _SURE else replace(line, text="") for line in lines]


def _alphabets(word: str) -> list[str]:
    return [unicodedata.name(letter, "").partition(" ")[0] for letter in word]


def _length(line: TextLine) -> float:
    """How long the line is on the page; 0 for a short one."""
    across, down = ([corner[axis] for corner in line.corners] for axis in (0, 1))
    sides = sorted((max(across) - min(across), max(down) - min(down)))
    return sides[1] if sides[1] > _SHORT * sides[0] else 0.0
