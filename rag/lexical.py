"""BM25 as sparse vectors: term weights here, inverse document frequencies at the engine.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009). The
score of a passage is the sum over shared terms of question weight × passage weight × idf; the
engine knows the collection and multiplies the idf in (Qdrant's ``modifier=idf``).

Terms are English stems without accents and stop words. Scripts that do not separate words
count in pairs of characters. Text in other languages keeps its words, stemmed like English on
both sides, so equal words still meet.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from py_rust_stemmers import SnowballStemmer

from rag.model import SparseVector

K1 = 1.2
B = 0.75
AVERAGE_TERMS = 70
"""Terms of a usual passage; fixed, so that a passage's weights never depend on the others."""

STOP_WORDS = frozenset(
    "a about above after again all also am among an and any are as at be because been before being below "
    "between both but by can could d did do does doing done down during each either few for from further "
    "had has have having he her here hers herself him himself his how however i if in into is it its itself "
    "just ll m may me might more most must my myself no nor not of off on once only or other our ours "
    "ourselves out over own re s same shall she should so some such t than that the their theirs them "
    "themselves then there these they this those through to too under until up upon us ve very was we were "
    "what when where whether which while who whom whose why will with within would you your yours yourself "
    "yourselves".split()
)

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_WORDS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_STEMMER = SnowballStemmer("english")


def encode_passage(text: str) -> SparseVector:
    """Term weights of a passage: saturated frequencies, normalised for length."""
    counts = Counter(term_ids(text))
    longer = K1 * (1 - B + B * counts.total() / AVERAGE_TERMS)
    return _sparse({term: n * (K1 + 1) / (n + longer) for term, n in counts.items()})


def encode_question(text: str) -> SparseVector:
    """Weight 1 for each distinct term."""
    return _sparse(dict.fromkeys(term_ids(text), 1.0))


def term_ids(text: str) -> Iterator[int]:
    """The id (32 bits) of each term of ``text``, in order, the same in every process."""
    for word in _words(text):
        identity = _term_id(word)
        if identity is not None:
            yield identity


def _words(text: str) -> Iterable[str]:
    if text.isascii():
        return _ASCII_WORDS.findall(text.lower())
    return _unicode_words(text)


def _unicode_words(text: str) -> Iterator[str]:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    for word in _WORDS.findall(unicodedata.normalize("NFC", bare)):
        if _IS_UNSPACED.match(word) and len(word) > 1:
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word


@lru_cache(maxsize=65_536)
def _term_id(word: str) -> int | None:
    """None for a stop word."""
    if word in STOP_WORDS:
        return None
    stem = _STEMMER.stem_word(word)
    return int.from_bytes(blake2b(stem.encode("utf-8", "replace"), digest_size=4).digest(), "little")


def _sparse(weights: dict[int, float]) -> SparseVector:
    ordered = sorted(weights)
    return SparseVector(
        np.array(ordered, dtype=np.uint32), np.array([weights[i] for i in ordered], dtype=np.float32)
    )
