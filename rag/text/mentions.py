"""The identifiers, names and words of a text, in the forms by which texts are compared."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from rag.text.identifiers import Identifier, Kind, named_in
from rag.text.normalising import folded
from rag.text.stemming import stem
from rag.text.words import capital_stop_words, runs

YEARS = "year"
"""The family of all years."""

_DIGITS = re.compile(r"\d+")
_NUMBERED = re.compile(r"(?<![^\W_])([^\W\d_]{3,40})\W{1,3}([^\W\d_]|\d{1,12})(?!\w|[./_-]\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Mentions:
    """``plain``: the text, as ``rag.text.normalising.folded`` makes it."""

    plain: str

    @cached_property
    def forms(self) -> frozenset[str]:
        """Every form of its identifiers and of what they belong to, the stems of its words, and names."""
        found = {form for each in self.identifiers for form in (*each.forms, *each.wider)}
        return frozenset({*found, *map(stem, self._words), *capital_stop_words(self.plain)})

    @cached_property
    def identifiers(self) -> tuple[Identifier, ...]:
        return tuple(named_in(self.plain, self._words))

    @cached_property
    def numbered(self) -> frozenset[str]:
        """The things that a number or a letter tells from others of their name: "order 88102", "annex b"."""
        return frozenset(f"{noun} {number}".lower() for noun, number in _NUMBERED.findall(self.plain))

    @cached_property
    def families(self) -> frozenset[str]:
        """What its codes, years and numbered things have in common with others of their kind."""
        families = {*map(family_of, self.identifiers), *map(family_of_numbered, self.numbered)}
        return frozenset(families - {""})

    def has_words(self, phrase: str) -> bool:
        """Whether the words of ``phrase``, in small letters with a space between, stand together in it."""
        return f" {phrase} " in self._line

    @cached_property
    def _line(self) -> str:
        return f" {' '.join(self._words)} "

    @cached_property
    def _words(self) -> list[str]:
        return runs(self.plain)


@lru_cache(maxsize=256)
def mentions_of(text: str) -> Mentions:
    """What ``text`` mentions. Kept for a while, since several questions are asked of the same text."""
    return Mentions(folded(text))


def family_of(identifier: Identifier) -> str:
    """What the codes of a series have in common: AQ-200 is of the family ``aq0``. "" for a plain number."""
    if identifier.kind is Kind.YEAR:
        return YEARS
    form = identifier.forms[0]
    return "" if form.isdigit() or form.isalpha() else _DIGITS.sub("0", form)


def family_of_numbered(thing: str) -> str:
    """Of "order 88102" the family is that of all orders with a number, of "annex b" all with a letter."""
    noun, _, number = thing.rpartition(" ")
    return f"{noun} {'0' if number.isdigit() else 'a'}"
