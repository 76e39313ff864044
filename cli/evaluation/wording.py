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
_NAMED_A = re.compile(r"(?<=\w )A\b")
_LETTER_A = "\N{LATIN LETTER SMALL CAPITAL A}"
"""Stands for the A of "vitamin A", which is no article."""

_DROPPED = frozenset("PSZC")
"""Unicode's groups of punctuation, symbols, separators and controls."""

_WITHIN_NUMBERS = frozenset(".,:")
_OUTSIDE = re.compile(r"(?<!\d)[.,:]|[.,:](?!\d)")
_GROUP = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])")
_SPACED_SCRIPTS_END = 0x0530
"""Latin, Greek and Cyrillic letters are before it."""

_INFLECTED = 5
"""Characters from which a word may go on: a need "price" is held by "prices"."""

Needs = Sequence[Sequence[str]]


def normalised(text: str) -> str:
    """Words with single spaces between. Of 1,500.50 the normal form is 1500.5."""
    text = _NAMED_A.sub(_LETTER_A, normalize("NFKC", _MARK.sub(" ", text)))
    text = _OUTSIDE.sub(" ", text.casefold().translate(_KEPT))
    text = _DECIMAL.sub(lambda found: found[0].rstrip("0").rstrip("."), _GROUP.sub("", text))
    return " ".join(word for word in text.split() if word not in _ARTICLES)


class _Kept(dict[int, int]):
    """By character, itself or a space; computed once for each character."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        is_dropped = category(character)[0] in _DROPPED and character not in _WITHIN_NUMBERS
        return self.setdefault(code, ord(" ") if is_dropped else code)


_KEPT = _Kept()


def holds(text: str, words: str) -> bool:
    """Whether ``text`` holds ``words``."""
    return share_held(text, ((words,),)) == 1


def share_held(text: str, needs: Needs) -> float:
    """The share of ``needs`` of which ``text`` holds a wording, in [0, 1]. ValueError without needs."""
    if not needs:
        raise ValueError("there is nothing to be held")
    within, plain = normalised(text), " ".join(text.split())

    def is_held(words: str) -> bool:
        # A need such as "A" or "±" has no normal form, and is looked up as it is.
        return _is_in(own, within) if (own := normalised(words)) else _is_in(" ".join(words.split()), plain)

    return sum(any(map(is_held, need)) for need in needs) / len(needs)


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
