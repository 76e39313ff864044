"""Encodes texts as sparse vectors for BM25: term weights here, inverse document frequencies at the engine.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009). The
score of a passage is the sum over shared terms of question weight × passage weight × idf. The
engine, which knows the collection, multiplies by the idf (Qdrant's ``modifier=idf``).

Terms are English stems without accents and stop words. Scripts that do not separate words
count in pairs of characters. Text in other languages keeps its words, stemmed like English in
passages and questions, so equal words still match.
"""

import re
from collections import Counter
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from py_rust_stemmers import SnowballStemmer

from rag.model import SparseVector
from rag.text.normalising import normalised_form

K1 = 1.2
B = 0.75
AVERAGE_TERMS = 110
"""Terms of a usual passage; fixed, so that a passage's weights never depend on the others."""

STOP_WORDS = frozenset(
    """
    a about above after again all also am among an and any are as at be because been before being below
    between both but by can could d did do does doing done down during each either few for from further
    had has have having he her here hers herself him himself his how however i if in into is it its itself
    just ll m may me might more most must my myself no nor not of off on once only or other our ours
    ourselves out over own re s same shall she should so some such t than that the their theirs them
    themselves then there these they this those through to too under until up upon us ve very was we were
    what when where whether which while who whom whose why will with within would you your yours yourself
    yourselves
    """.split()  # noqa: SIM905 - prose is easier to read than 140 quoted words
)

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd"  # Japanese, Chinese, Korean
)
_WITH_VOWEL_SIGNS = "\u0900-\u0dff"  # of Indic words; ``re`` does not count them as letters
_WORDS = re.compile(rf"[{_UNSPACED}]+|(?:[^\W_{_UNSPACED}]|[{_WITH_VOWEL_SIGNS}])+")
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]")
_UNSPACED_START = re.compile(rf"[{_UNSPACED}]")
_FIRST_UNSPACED = "\u0e00"
_LONGEST_CACHED = 64
_LONGEST_STEMMED = 64  # characters; over more of them some steps take quadratic time, and none is a word
_STEMMER = SnowballStemmer("english")


def encode_passage(text: str) -> SparseVector:
    """Term weights of a passage: saturated frequencies, normalised for length."""
    counts = term_counts(text)
    longer = K1 * (1 - B + B * counts.total() / AVERAGE_TERMS)
    return _sparse({term: n * (K1 + 1) / (n + longer) for term, n in counts.items()})


def encode_question(text: str) -> SparseVector:
    """Weight 1 for each distinct term."""
    return _sparse(dict.fromkeys(term_counts(text), 1.0))


def term_counts(text: str) -> Counter[int]:
    """How often each term occurs in ``text``, by the term's id: 32 bits, the same in every process."""
    if text.isascii():
        words = _ASCII_WORDS.findall(text.lower())
    else:
        bare = _ACCENTS.sub("", normalised_form("NFKD", text))
        words = []
        for word in _WORDS.findall(normalised_form("NFC", bare).casefold()):
            # Scripts without spaces between words count in pairs of characters.
            in_pairs = len(word) > 2 and word[0] >= _FIRST_UNSPACED and _UNSPACED_START.match(word)
            words += [word[i : i + 2] for i in range(len(word) - 1)] if in_pairs else [word]
    # A very long word belongs to no language and will hardly occur again, so it is not cached.
    terms = (_cached_term(word) if len(word) <= _LONGEST_CACHED else _term_id(word) for word in words)
    return Counter(term for term in terms if term is not None)


def stem(word: str) -> str:
    """Snowball's English stem of a lower-case word; what is too long for a word stays as it is."""
    stemmed: str = _STEMMER.stem_word(word) if len(word) <= _LONGEST_STEMMED else word
    return stemmed


@lru_cache(maxsize=65_536)
def _cached_term(word: str) -> int | None:
    return None if word in STOP_WORDS else _term_id(stem(word))


def _term_id(term: str) -> int:
    return int.from_bytes(blake2b(term.encode("utf-8", "replace"), digest_size=4).digest(), "little")


def _sparse(weights: dict[int, float]) -> SparseVector:
    indices = np.fromiter(weights.keys(), np.uint32, len(weights))
    values = np.fromiter(weights.values(), np.float32, len(weights))
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
