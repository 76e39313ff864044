"""Reads a misspelt word of a question as the word that the passages have.

Models take a word that they do not know for something else: for "Who is the carteaker?" the cross-encoder
gives the sentence that names the caretaker a logit of -11.
"""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST = 6  # letters; shorter words are often one letter from another word
_LONGEST = 40


def spelled_like(texts: Iterable[str], question: str) -> str:
    """The question with the spelling of ``texts`` where a word is one slip from a single word of theirs.

    A slip: a letter too many, too few, or another one, or two neighbours swapped; never the first. Names,
    which have a capital, are left alone, as are short words.
    """
    unknown = {
        word for word in _WORD.findall(question) if word.islower() and _SHORTEST <= len(word) <= _LONGEST
    }
    if not unknown:
        return question
    known = {word for text in texts for word in _WORD.findall(text.lower())}
    spelled = {}
    for word in unknown - known:
        nearest = [other for other in known if other[0] == word[0] and _is_slip(word, other)]
        if len(nearest) == 1:
            spelled[word] = nearest[0]
    return _WORD.sub(lambda found: spelled.get(found[0], found[0]), question)


def _is_slip(word: str, other: str) -> bool:
    """Whether one slip leads from one word to the other (Damerau, 1964)."""
    if abs(len(word) - len(other)) > 1 or len(other) < _SHORTEST - 1:
        return False
    start = next((i for i, pair in enumerate(zip(word, other, strict=False)) if pair[0] != pair[1]), -1)
    if start < 0:
        return len(word) != len(other)
    rest, others = word[start:], other[start:]
    swapped = rest[1::-1] + rest[2:] == others
    return rest[1:] == others[1:] or rest == others[1:] or rest[1:] == others or swapped
