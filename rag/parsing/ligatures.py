"""Repairs words of a PDF whose font does not name its ligatures: "de\\x1bnition", or "defnition" by xberg.

Nothing is guessed: a word is repaired where exactly one ligature makes a word of it that stands whole
elsewhere in the document.
"""

import re
from collections.abc import Iterable, Set

_LIGATURES = ("ff", "fi", "fl", "ffi", "ffl")
_FIRST_LETTER = "f"
"""What xberg reads of a ligature."""

_UNNAMED = re.compile(r"[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\ufffd]")
_WORD = re.compile(r"(?:[^\W\d_]|[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\ufffd])+")
_SHORTEST = 4  # characters


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of these texts that lack no letter."""
    return frozenset(word for text in texts for word in _WORD.findall(text) if not _UNNAMED.search(word))


def with_ligatures(text: str, layer: str, words: Set[str]) -> str:
    """``text`` of a page with its words whole. ``layer``: its text layer; ``words``: of the document."""
    there = set(_WORD.findall(layer))
    whole = dict[str, str]()
    for broken in there:
        if len(broken) < _SHORTEST or len(_UNNAMED.findall(broken)) != 1:
            continue
        made = {_UNNAMED.sub(ligature, broken) for ligature in _LIGATURES} & words
        if len(made) == 1:
            whole[broken] = made.pop()
            other = _UNNAMED.sub(_FIRST_LETTER, broken)
            if other not in there:  # else it may be meant: "of" beside "off"
                whole[other] = whole[broken]
    return _WORD.sub(lambda word: whole.get(word[0], word[0]), text) if whole else text
