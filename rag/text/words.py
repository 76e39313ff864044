"""Cuts a folded text into words, or into pairs or threes of characters where a script has no spaces."""

import re
from collections.abc import Iterator

JOINING_WORDS = frozenset(
    """
    a an and are as at be been being by did do does for from had has have how i in is it its me my of on
    or s should t that the their there they this to was we were what when where which who whom whose why
    will with you your
    """.split()  # noqa: SIM905 - prose is easier to read than 60 quoted words
)
"""Words of English that only ask or join: they say nothing, in a question or in an answer."""

STOP_WORDS = JOINING_WORDS | frozenset(
    """
    about above after again all also am among any because before below between both but can could d
    doing done down during each either few further having he her here hers herself him himself his
    however if into itself just ll m may might more most must myself no nor not off once only other our
    ours ourselves out over own re same shall she so some such than theirs them themselves then these
    those through too under until up upon us ve very whether while within would yours yourself
    yourselves
    """.split()  # noqa: SIM905
)
"""Words of English that say little about a subject. Some of them, as "not" and "after", make an answer."""

_IN_PAIRS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd"
"""Japanese, Chinese and Korean."""

_IN_THREES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese and Khmer, with their vowel signs. A word has four or five characters."""

_INDIC = "\u0900-\u0dff"  # words with vowel signs, which ``re`` does not count as letters
_RUNS = re.compile(rf"[{_IN_PAIRS}]++|[{_IN_THREES}]++|(?:[^\W_{_IN_PAIRS}{_IN_THREES}]|[{_INDIC}])++")
_ASCII_RUNS = re.compile("[a-z0-9]++")
_FIRST_UNSPACED = "\u0e00"
_PAIRED = re.compile(f"[{_IN_PAIRS}]")
_THREEFOLD = re.compile(f"[{_IN_THREES}]")
_CHARACTERS_OF_WORD = {2: 2, 3: 4}
"""How many characters a usual word has, where terms are of two and of three of them."""

_CAPITALS = re.compile(r"\b[A-Z]{2,}+\b")
_INSIDE = re.compile(r"(?<=[a-z0-9,)] )[A-Z][a-z]*+\b")
_IN_CELL = re.compile(r"(?<=: )A(?=[;,\n]| and | or |\Z)")  # of a row in words: "Zone: A; Single: 2.80"
_LETTERS = re.compile("[A-Za-z]")
_SMALL = re.compile("[a-z]")
_MOSTLY = 0.3  # of a text's letters are small, or it is written in capitals
_NAMELESS = frozenset({"i", "the", "of", "and"})  # in capitals inside a sentence they name nothing
_NAMING = STOP_WORDS - _NAMELESS
_TITLE_CASE = 0.75  # of the words
_BEGUN_WITH_CAPITAL = re.compile(r"\b[A-Z]")
_BEGUN = re.compile(r"\b[A-Za-z]")


def runs(text: str) -> list[str]:
    """The words of a folded text in small letters; a stretch without spaces is one run."""
    small = text.casefold()
    return _ASCII_RUNS.findall(small) if small.isascii() else _RUNS.findall(small)


def characters_together(run: str) -> int:
    """How many characters make a term of this run; 0: the run is a word."""
    if run[0] < _FIRST_UNSPACED:
        return 0
    if _PAIRED.match(run):
        return 2
    return 3 if _THREEFOLD.match(run) else 0


def stretches(word: str, size: int) -> Iterator[str]:
    """Every stretch of ``size`` characters of a word; the word itself when it is shorter."""
    return (word[start : start + size] for start in range(max(len(word) - size + 1, 1)))


def words_in(run: str) -> float:
    """About how many words a run is."""
    size = characters_together(run)
    return max(len(run) / _CHARACTERS_OF_WORD[size], 1.0) if size else 1.0


def capital_stop_words(text: str) -> list[str]:
    """The stop words that a folded text writes in capitals to name something: "IT", vitamin "A", "May".

    In capitals throughout. Those that merely begin a sentence do not count, nor the pronoun "I",
    nor any in a text that is all in capitals, or in title case, but for the value "A" of a cell.
    """
    found = [word for word in _CAPITALS.findall(text) if word.lower() in STOP_WORDS]
    if found and len(_SMALL.findall(text)) < _MOSTLY * len(_LETTERS.findall(text)):
        found = []
    if not in_title_case(text):
        found += [word for word in _INSIDE.findall(text) if word.lower() in _NAMING]
    found += _IN_CELL.findall(text)
    return list(dict.fromkeys(word.upper() for word in found))


def in_title_case(text: str) -> bool:
    """Whether nearly every word of a text in Latin letters begins with a capital."""
    return len(_BEGUN_WITH_CAPITAL.findall(text)) > _TITLE_CASE * len(_BEGUN.findall(text))
