"""Snowball stems (Porter, "Snowball: A language for stemming algorithms", 2001) by language and script."""

from collections.abc import Mapping, Sequence

from py_rust_stemmers import SnowballStemmer

from rag.text.languages import ENGLISH

_LONGEST = 64  # characters; over more of them some steps take quadratic time, and none is a word
_LATIN: Mapping[str, SnowballStemmer] = {
    language: SnowballStemmer(name)
    for language, name in {
        ENGLISH: "english",
        "de": "german",
        "es": "spanish",
        "pt": "portuguese",
        "fr": "french",
        "it": "italian",
        "nl": "dutch",
        "sv": "swedish",
        "da": "danish",
        "no": "norwegian",
        "fi": "finnish",
        "hu": "hungarian",
        "ro": "romanian",
        "tr": "turkish",
    }.items()
}
_ENGLISH = _LATIN[ENGLISH]
_FIRST_NOT_LATIN = "\u0370"
_OTHER_SCRIPTS: tuple[tuple[str, str, SnowballStemmer], ...] = (
    ("\u0370", "\u03ff", SnowballStemmer("greek")),
    ("\u0400", "\u052f", SnowballStemmer("russian")),
    ("\u0600", "\u06ff", SnowballStemmer("arabic")),
    ("\u0b80", "\u0bff", SnowballStemmer("tamil")),
)


def stem(word: str, language: str = ENGLISH) -> str:
    """The stem of a lower-case word. What is too long for a word stays as it is.

    The script decides where it is not Latin. A language without a stemmer has English stems.
    """
    if len(word) > _LONGEST:
        return word
    stemmer = _LATIN.get(language, _ENGLISH) if is_latin(word) else _by_script(word[0])
    stemmed: str = stemmer.stem_word(word) if stemmer else word
    return stemmed


def stems(word: str, languages: Sequence[str]) -> tuple[str, ...]:
    """The distinct stems of a word in English and in each language; in all of them if none is given."""
    if not is_latin(word):
        return (stem(word),)
    return tuple(dict.fromkeys(stem(word, each) for each in (ENGLISH, *(languages or _LATIN))))


def is_latin(word: str) -> bool:
    return word[0] < _FIRST_NOT_LATIN or "\u1e00" <= word[0] <= "\u1eff"


def _by_script(letter: str) -> SnowballStemmer | None:
    return next((stemmer for first, last, stemmer in _OTHER_SCRIPTS if first <= letter <= last), None)
