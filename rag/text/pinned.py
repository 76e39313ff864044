"""What a question pins down: numbers, years, dates, codes, names, and words in capitals.

A passage that lacks one of them may be about another model, version or year, however well its
other words fit.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum

from rag.text.identifiers import Identifier, named_in
from rag.text.languages import ENGLISH, asked_languages
from rag.text.normalising import folded
from rag.text.stemming import stem
from rag.text.words import STOP_WORDS, capital_stop_words, in_title_case, runs

_NAME = re.compile(r"(?<=[^\W_,;)] )[A-Z\u00c0-\u00de][^\W\d_]++")
_CAPITALS = re.compile(r"\b[A-Z]{2,}+\b")
_SINGLE = re.compile(r"(?<=[a-z] )[B-HJ-Z]\b(?![&.'-])")
_SHORTEST_PLURAL = 4  # characters, as in 10-Qs without its hyphen
_NOUNS_IN_CAPITALS = frozenset({"de"})


class Kind(StrEnum):
    """What a pinned term is. A name is the least certain of them."""

    NUMBER = "number"
    YEAR = "year"
    DATE = "date"
    CODE = "code"
    CAPITALS = "capitals"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Pinned:
    """``written``: as the question has it. A text that has any of ``forms`` agrees with it."""

    kind: Kind
    written: str
    forms: frozenset[str]


def pinned_terms(question: str) -> tuple[Pinned, ...]:
    """What a question pins down, each term once."""
    plain = folded(question)
    words = runs(plain)
    found = [_of_identifier(each) for each in named_in(plain, words)]
    inside = {part for each in found for part in runs(each.written)}
    found += [
        Pinned(kind, word, frozenset({form}))
        for kind, word, form in (*_in_capitals(plain), *_names(plain, asked_languages(question)))
        if word.lower() not in inside
    ]
    once: dict[frozenset[str], Pinned] = {}
    for each in found:
        once.setdefault(each.forms, each)
    return tuple(once.values())


def forms_of(text: str) -> frozenset[str]:
    """Every form that a text has, to compare with those of pinned terms."""
    plain = folded(text)
    words = runs(plain)
    found = {form for each in named_in(plain, words) for form in (*each.forms, *each.wider)}
    return frozenset({*found, *map(stem, words), *capital_stop_words(plain)})


def missing(pinned: Iterable[Pinned], there: AbstractSet[str]) -> tuple[Pinned, ...]:
    """Those pinned terms with which a text of the forms ``there`` does not agree."""
    return tuple(each for each in pinned if there.isdisjoint(each.forms))


def absent_terms(question: str, texts: Iterable[str]) -> tuple[Pinned, ...]:
    """What a question pins down and none of the texts has."""
    absent = tuple(_with_singular(each) for each in pinned_terms(question))
    for text in texts:
        if not absent:
            break
        absent = missing(absent, forms_of(text))
    return absent


def _with_singular(pinned: Pinned) -> Pinned:
    """A code in the plural, as in "these 10-Qs", may stand in the singular."""
    singular = {
        form.removesuffix("s").removesuffix("S") for form in pinned.forms if len(form) >= _SHORTEST_PLURAL
    }
    return replace(pinned, forms=pinned.forms | singular)


def _of_identifier(identifier: Identifier) -> Pinned:
    kind = Kind.CAPITALS if identifier.forms[0].isupper() else Kind(identifier.kind)
    return Pinned(kind, identifier.written, frozenset(identifier.forms))


def _in_capitals(plain: str) -> list[tuple[Kind, str, str]]:
    if plain.isupper():
        return []
    throughout = frozenset(_CAPITALS.findall(plain))
    ordinary = throughout | frozenset(_SINGLE.findall(plain))
    named = [
        # "Most" and "Who" with one capital may be parts of a name that another text writes otherwise
        (Kind.CAPITALS if word in throughout or len(word) == 1 else Kind.NAME, word, word)
        for word in capital_stop_words(plain)
    ]
    return named + [
        (Kind.CAPITALS, word, stem(word.lower()))
        for word in sorted(ordinary)
        if word.lower() not in STOP_WORDS
    ]


def _names(plain: str, languages: tuple[str, ...]) -> list[tuple[Kind, str, str]]:
    """Words with a capital inside a sentence, in languages where those are names."""
    if not _NOUNS_IN_CAPITALS.isdisjoint(languages) and ENGLISH not in languages:
        return []
    if in_title_case(plain):
        return []
    words = [word for word in _NAME.findall(plain) if word.lower() not in STOP_WORDS and not word.isupper()]
    return [(Kind.NAME, word, stem(word.lower())) for word in words]
