"""Counts the words and numbers of a PDF page's text layer that another reading of the page lacks."""

import re
from collections import Counter
from collections.abc import Iterable

_TOKEN = re.compile(r"[^\W_](?:[\w.,'/:-]*[^\W_])?")
_RUN = re.compile(r"[^ \t\r\n]+")
_UNNAMED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")
_LIGATURE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd][a-z]{2}")
_ALIKE = str.maketrans({"’": "'", "‘": "'", "\xad": None, "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl"})


def lost_words(text: str, read: str) -> int:
    """How many words and numbers of ``text`` are not whole in ``read``, each as often as it is there.

    Words of ``text`` with signs that its font does not name, "de\\x1bnition", say nothing.
    """
    missing = _words(" ".join(run for run in _RUN.findall(text) if not _UNNAMED.search(run)))
    missing.subtract(_words(read))
    return sum(count for count in missing.values() if count > 0)


def damaged_words(text: str) -> int:
    """How many words of ``text`` lack letters, ligatures mostly, that their font does not name."""
    return len(_LIGATURE.findall(text))


def has_others(text: str, read: str) -> bool:
    """Whether ``read`` has a word or number that ``text`` lacks."""
    return bool(_words(read).keys() - _words(text).keys())


def _words(text: str) -> Counter[str]:
    found: Iterable[str] = _TOKEN.findall(text.translate(_ALIKE))
    return Counter(found)
