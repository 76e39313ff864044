"""Whether a text holds certain words, in any language, however they are set.

Compared are words without case, punctuation, English articles and the marks of citations, as SQuAD's own
evaluation does (https://rajpurkar.github.io/SQuAD-explorer/, ``normalize_answer``). Numbers stay whole:
"16" is not in "16.4". Where a script separates words by spaces, words are found as words.
"""

import re
from collections.abc import Sequence
from unicodedata import category, normalize

_MARK = re.compile(r"\[\d{1,6}\]")
_ARTICLES = frozenset({"a", "an", "the"})
_DROPPED = frozenset("PSZC")
"""Unicode's groups of punctuation, symbols, separators and controls."""

_WITHIN_NUMBERS = frozenset(".,:")
_GROUP = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])")
_SPACED_SCRIPTS_END = 0x0530
"""Latin, Greek and Cyrillic letters are before it."""

_INFLECTED = 5
"""Characters from which a word may go on: a need "price" is held by "prices"."""

Needs = Sequence[Sequence[str]]


def normalised(text: str) -> str:
    """Words with single spaces between. Of 1,500.50 the normal form is 1500.5."""
    text = _MARK.sub(" ", normalize("NFKC", text).casefold())
    kept = [c if _is_kept(text, at) else " " for at, c in enumerate(text)]
    text = _DECIMAL.sub(lambda found: found[0].rstrip("0").rstrip("."), _GROUP.sub("", "".join(kept)))
    return " ".join(word for word in text.split() if word not in _ARTICLES)


def _is_kept(text: str, at: int) -> bool:
    if category(text[at])[0] not in _DROPPED:
        return True
    is_within_number = 0 < at < len(text) - 1 and text[at - 1].isdigit() and text[at + 1].isdigit()
    return text[at] in _WITHIN_NUMBERS and is_within_number


def holds(text: str, words: str) -> bool:
    """Whether ``text`` holds ``words``."""
    return _is_in(normalised(words), normalised(text))


def share_held(text: str, needs: Needs) -> float:
    """The share of ``needs`` of which ``text`` holds a wording, in [0, 1]. ValueError without needs."""
    if not needs:
        raise ValueError("there is nothing to be held")
    within = normalised(text)
    return sum(any(_is_in(normalised(w), within) for w in need) for need in needs) / len(needs)


def _is_in(words: str, text: str) -> bool:
    """Whether the normalised ``text`` has the normalised ``words``, which begin and end where words do."""
    at = text.find(words) if words else -1
    while at >= 0:
        end = at + len(words)
        if _begins_word(text, at) and _ends_word(text, end, len(words)):
            return True
        at = text.find(words, at + 1)
    return False


def _begins_word(text: str, at: int) -> bool:
    return at == 0 or not _is_spaced(text[at]) or not (_is_spaced(text[at - 1]) or _is_point(text, at - 1))


def _ends_word(text: str, end: int, length: int) -> bool:
    if end == len(text) or not _is_spaced(text[end - 1]):
        return True
    if _is_point(text, end):
        return False
    is_inflected = length >= _INFLECTED and text[end - 1].isalpha() and text[end].isalpha()
    return is_inflected or not _is_spaced(text[end])


def _is_spaced(character: str) -> bool:
    """Whether it is a letter or digit of a script that separates words by spaces."""
    return character.isalnum() and ord(character) < _SPACED_SCRIPTS_END


def _is_point(text: str, at: int) -> bool:
    """Whether a number goes on there."""
    return text[at] in _WITHIN_NUMBERS
