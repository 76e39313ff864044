"""Encodes texts as sparse vectors for BM25: term weights here, inverse document frequencies at the engine.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009). The
score of a passage is the sum over shared terms of question weight × passage weight × idf. The
engine, which knows the collection, multiplies by the idf (Qdrant's ``modifier=idf``).

A passage has a term for everything in it. The question chooses what counts, and how much:

- **words**, by their stems in the passage's language. A question whose words do not tell its
  language has the stems of every language. English stop words count when they name something in
  capitals ("vitamin A", "the US plant"), or when the question has nothing else;
- **identifiers** (``rag.text.identifiers``) as a whole; the words inside them count little;
- **stretches of four letters**, the edges of the word among them, in every language but English: they meet
  in compounds and endings;
- in scripts without spaces, pairs or threes of characters instead of words;
- in Vietnamese, whose words have several syllables, syllables with their tones, and pairs of them.
"""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, pairwise

import numpy as np

from rag.model import SparseVector
from rag.text.identifiers import Identifier, named_in
from rag.text.languages import ENGLISH, asked_languages, told_language
from rag.text.normalising import folded, normalised_form
from rag.text.stemming import is_latin, stem, stems
from rag.text.words import (
    STOP_WORDS,
    capital_stop_words,
    characters_together,
    runs,
    stretches,
    words_in,
)

K1 = 1.2
B = 0.75
AVERAGE_TERMS = 110
"""Words of a usual passage; fixed, so that a passage's weights never depend on the others."""

_OF_PART = 0.25
"""What a word counts that a question has only inside an identifier, where a word counts 1."""

_OF_WIDER = 0.5
_OF_STRETCH = 0.3
_OF_PAIR = 0.5
_STRETCH = 4  # letters
_LONGEST_CACHED = 64
_VIETNAMESE = "vi"


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a question asks for. A passage has it if it has any of the terms ``ids``."""

    ids: tuple[int, ...]
    weight: float


def encode_passage(text: str) -> SparseVector:
    """Term weights of a passage: saturated frequencies, normalised for length."""
    words = runs(folded(text))
    length = sum(words_in(word) for word in words if word not in STOP_WORDS)
    longer = K1 * (1 - B + B * length / AVERAGE_TERMS)
    terms = _terms(text, words, told_language(text))
    return _sparse({term: n * (K1 + 1) / (n + longer) for term, n in terms.items()})


def encode_question(text: str) -> SparseVector:
    """What each distinct term counts: 1 for a word, less for a part of one."""
    weights: dict[int, float] = {}
    for feature in question_features(text):
        for term in feature.ids:
            weights[term] = max(feature.weight, weights.get(term, 0.0))
    return _sparse(weights)


def term_counts(text: str) -> Counter[int]:
    """How often a passage has each term, by the term's id: 32 bits, the same in every process."""
    return _terms(text, runs(folded(text)), told_language(text))


def terms_of_parts(text: str, parts: Sequence[str]) -> list[AbstractSet[int]]:
    """The terms of each of the ``parts`` of ``text``, in the language of the whole."""
    language = told_language(text)
    return [_terms(part, runs(folded(part)), language).keys() for part in parts]


def coverage(asked: Sequence[Feature], there: AbstractSet[int]) -> float:
    """The share of what is asked, by weight, that a passage with the terms ``there`` has: 0 to 1."""
    whole = sum(feature.weight for feature in asked)
    met = sum(feature.weight for feature in asked if not there.isdisjoint(feature.ids))
    return met / whole if whole else 0.0


def question_features(text: str, *, languages: tuple[str, ...] | None = None) -> list[Feature]:
    """What a question asks for, each thing once. ``languages``: that it may be in; None: those it tells."""
    plain = folded(text)
    languages = asked_languages(text) if languages is None else languages
    words = runs(plain)
    named, known = named_in(plain, words), frozenset(words)
    inside = {part for each in named for part in runs(each.written)}
    features = [_feature(word) for word in capital_stop_words(plain)]
    features += chain.from_iterable(_features_of_identifier(each, known) for each in named)
    outside = [word for word in dict.fromkeys(words) if word not in inside]
    if not languages or ENGLISH in languages:
        outside = [word for word in outside if word not in STOP_WORDS]
    if languages == (_VIETNAMESE,):
        features += _features_of_syllables(text, inside)
        outside = []
    for word in outside or ([] if features else words):
        features += _features_of_word(word, languages)
    features += [_feature(stem(part), weight=_OF_PART) for part in inside]
    # the first feature of a term is the weightiest
    return list({feature.ids: feature for feature in reversed(features)}.values())


def _features_of_word(word: str, languages: Sequence[str]) -> list[Feature]:
    if size := characters_together(word):
        return [_feature(piece) for piece in stretches(word, size)]
    found = [_feature(*stems(word, languages))]
    if languages != (ENGLISH,) or not is_latin(word):
        found += [_feature(piece, weight=_OF_STRETCH) for piece in _stretches(word)]
    return found


def _features_of_identifier(identifier: Identifier, words: AbstractSet[str]) -> list[Feature]:
    found = [_feature(*identifier.forms)]
    if any(form not in words for form in identifier.forms):
        found.append(_feature(*map(_wider, identifier.forms), weight=_OF_WIDER))
    return found


def _features_of_syllables(text: str, inside: AbstractSet[str]) -> list[Feature]:
    syllables = _syllables(text)
    found = [_feature(each) for each in syllables if each not in inside]
    return found + [_feature(pair, weight=_OF_PAIR) for pair in _pairs(syllables)]


def _terms(text: str, words: Sequence[str], language: str | None) -> Counter[int]:
    plain = folded(text)
    terms = Counter(chain.from_iterable(_ids_of_word(word, language) for word in words))
    terms.update(map(_id, capital_stop_words(plain)))
    known = frozenset(words)
    for each in named_in(plain, words):
        forms = [form for form in each.forms if form not in known]
        terms.update(map(_id, chain(forms, map(_wider, chain(forms, each.wider)))))
    if language == _VIETNAMESE:
        syllables = _syllables(text)
        terms.update(map(_id, chain((each for each in syllables if each not in known), _pairs(syllables))))
    return terms


def _ids_of_word(word: str, language: str | None) -> tuple[int, ...]:
    """The terms of a passage's word. ``language``: the passage's, None where it does not tell."""
    if size := characters_together(word):
        return tuple(map(_id, stretches(word, size)))
    # a very long word belongs to no language and will hardly occur again
    return _cached_ids(word, language) if len(word) <= _LONGEST_CACHED else (_hash(word),)


@lru_cache(maxsize=65_536)
def _cached_ids(word: str, language: str | None) -> tuple[int, ...]:
    found = (_id(stem(word, language or ENGLISH)),)
    if language == ENGLISH and is_latin(word):
        return found
    return found + tuple(map(_id, _stretches(word)))


def _stretches(word: str) -> list[str]:
    """Of a word with its edges, so that beginnings and endings meet those of other words, also of short ones.

    Marked, so that none is taken for a word.
    """
    if len(word) > _LONGEST_CACHED or word.isdigit() or len(word) + 2 <= _STRETCH:
        return []
    return ["#" + piece for piece in stretches(f"^{word}$", _STRETCH)]


def _syllables(text: str) -> list[str]:
    return runs(normalised_form("NFC", text))


def _pairs(syllables: Sequence[str]) -> list[str]:
    return [folded(f"{first} {second}") for first, second in pairwise(syllables)]


def _wider(form: str) -> str:
    return form + "*"


def _feature(*terms: str, weight: float = 1.0) -> Feature:
    return Feature(tuple(dict.fromkeys(map(_id, terms))), weight)


def _id(term: str) -> int:
    return _cached_hash(term) if len(term) <= _LONGEST_CACHED else _hash(term)


@lru_cache(maxsize=65_536)
def _cached_hash(term: str) -> int:
    return _hash(term)


def _hash(term: str) -> int:
    return int.from_bytes(blake2b(term.encode("utf-8", "replace"), digest_size=4).digest(), "little")


def _sparse(weights: dict[int, float]) -> SparseVector:
    indices = np.fromiter(weights.keys(), np.uint32, len(weights))
    values = np.fromiter(weights.values(), np.float32, len(weights))
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
