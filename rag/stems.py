"""English word stems."""

from py_rust_stemmers import SnowballStemmer

_LONGEST = 64  # characters; over more of them some steps take quadratic time, and none is a word
_STEMMER = SnowballStemmer("english")


def stem(word: str) -> str:
    """Snowball's English stem of a lower-case word; what is too long for a word stays as it is."""
    stemmed: str = _STEMMER.stem_word(word) if len(word) <= _LONGEST else word
    return stemmed
