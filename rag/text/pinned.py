"""What a question pins down: numbers, years, dates, codes, names, and words in capitals.

A passage that lacks one of them may be about another model, version or year, however well its
other words fit.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rag.text.identifiers import Identifier, named_in
from rag.text.languages import ENGLISH, asked_languages
from rag.text.mentions import Mentions, family_of, family_of_numbered, mentions_of
from rag.text.normalising import folded
from rag.text.stemming import stem
from rag.text.words import STOP_WORDS, capital_stop_words, in_title_case, runs

_NAME = re.compile(r"(?<=[^\W_,;)] )[A-Z\u00c0-\u00de][^\W\d_]++")
_WORD_OF_NAME = r"[A-Z][^\W\d_]++(?:['\u2019-][A-Z][^\W\d_]++)?"
_FULL_NAME = re.compile(rf"(?<=[^\W_,;)] ){_WORD_OF_NAME}(?: {_WORD_OF_NAME}){{1,4}}")
_NUMBERED = re.compile(r"(?<!\w)([^\W\d_]{3,40})[ -]([A-HJ-Z]|\d{1,12})(?![\w%]|[.,:/-]\w)")
_CAPITALS = re.compile(r"\b[A-Z]{2,}+\b")
_SINGLE = re.compile(r"(?<=[a-z] )[B-HJ-Z]\b(?![&.'-])")
_SHORTEST_PLURAL = 4  # characters, as in 10-Qs without its hyphen
_NOUNS_IN_CAPITALS = frozenset({"de"})


class Kind(StrEnum):
    """What a pinned term is. A word of a name is the least certain of them.

    ``NUMBERED``: a thing and its number or letter, as in "order 88102" and "annex B". ``FULL_NAME``: of
    several words.
    """

    NUMBER = "number"
    YEAR = "year"
    DATE = "date"
    CODE = "code"
    CAPITALS = "capitals"
    NAME = "name"
    FULL_NAME = "full name"
    NUMBERED = "numbered"


@dataclass(frozen=True, slots=True)
class Pinned:
    """``written``: as the question has it. A text that has any of ``forms`` agrees with it.

    ``family``: see :attr:`rag.text.mentions.Mentions.families`; "" where no other thing can be told.
    """

    kind: Kind
    written: str
    forms: frozenset[str]
    family: str = ""

    def is_in(self, mentions: Mentions) -> bool:
        """Whether a text that has ``mentions`` agrees with it."""
        if self.kind is Kind.FULL_NAME:
            return any(map(mentions.has_words, self.forms))
        return not self.forms.isdisjoint(mentions.numbered if self.kind is Kind.NUMBERED else mentions.forms)


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
    dated = {part for each in found if each.kind in (Kind.DATE, Kind.YEAR) for part in runs(each.written)}
    found += [*_numbered(plain, dated), *_full_names(plain)]
    once: dict[frozenset[str], Pinned] = {}
    for each in found:
        once.setdefault(each.forms, each)
    return tuple(once.values())


def missing(pinned: Iterable[Pinned], mentions: Mentions) -> tuple[Pinned, ...]:
    """Those pinned terms with which a text that has ``mentions`` does not agree."""
    return tuple(each for each in pinned if not each.is_in(mentions))


def absent_terms(question: str, texts: Iterable[str]) -> tuple[Pinned, ...]:
    """What a question pins down and none of the texts has."""
    absent = pinned_terms(question)
    for text in texts:
        if not absent:
            break
        absent = missing(absent, mentions_of(text))
    return absent


def _of_identifier(identifier: Identifier) -> Pinned:
    if identifier.forms[0].isupper():
        return Pinned(Kind.CAPITALS, identifier.written, frozenset(identifier.forms))
    kind = Kind(identifier.kind)
    forms = frozenset(identifier.forms)
    return Pinned(kind, identifier.written, forms | _singular(forms), family_of(identifier))


def _singular(forms: Iterable[str]) -> frozenset[str]:
    """A code in the plural, as in "these 10-Qs", may stand in the singular."""
    return frozenset(form.removesuffix("s") for form in forms if len(form) >= _SHORTEST_PLURAL)


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


def _full_names(plain: str) -> Iterable[Pinned]:
    """Neighbouring words with a capital: in every language such are hardly anything else."""
    if in_title_case(plain):
        return
    for name in _FULL_NAME.findall(plain):
        yield Pinned(Kind.FULL_NAME, name, frozenset({" ".join(runs(name))}))


def _numbered(plain: str, dated: frozenset[str] | set[str]) -> Iterable[Pinned]:
    for found in _NUMBERED.finditer(plain):
        noun, number = found[1].lower(), found[2].lower()
        if noun not in STOP_WORDS and noun not in dated and number not in dated:
            thing = f"{noun} {number}"
            yield Pinned(Kind.NUMBERED, found[0], frozenset({thing}), family_of_numbered(thing))
