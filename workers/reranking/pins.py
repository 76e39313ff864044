"""What a question pins down: words that name some of the documents found, and not the others.

Of four quarterly reports, the question for "Q3 2022" means one. Their passages hardly differ; the titles do.
So does the question for the latest report, if the titles say which one that is.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from rag.model import Passage
from rag.text.context import names_of
from rag.text.lexical import question_features, term_counts

_NEWEST = -1
"""Stands among the terms of a document's names, whose ids are never negative, if no other one is newer."""

_ASKS_FOR_NEWEST = re.compile(
    r"\b(?:latest|newest|most recent|neueste[mnrs]?|aktuellste[mnrs]?|jüngste[mnrs]?|más recientes?|"
    r"plus récente?s?|più recent[ei])\b",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"(?:\bQ(?P<quarter>[1-4])\W{0,3})?(?<!\d)(?P<year>(?:19|20)\d\d)(?!\d)"
    r"(?:\W{0,3}Q?(?P<part>\d{1,2})(?!\d))?(?:\W(?P<day>\d{1,2})(?!\d))?",
    re.IGNORECASE,
)
"""A year with its quarter or its month and day: "2023 Q3", "Q3 2023", "2023-09-30"."""


def pinned_shares(question: str, passages: Sequence[Passage], metadata_fields: Sequence[str]) -> list[float]:
    """For each passage the share of the pinned terms that name its document; 0 where none is pinned.

    A document's names are its titles and the named metadata. A term of the question is pinned if it occurs in
    the names of a document among ``passages``, and not in those of all. Where the question asks for the
    newest, that is pinned as well: the documents whose names have the newest year, quarter or date.
    """
    asked = {term for feature in question_features(question) for term in feature.ids}
    names = {each.document_id: "\n".join(names_of(each, metadata_fields)) for each in passages}
    named = {document: asked & term_counts(name).keys() for document, name in names.items()}
    if _ASKS_FOR_NEWEST.search(question):
        for document in _newest(names):
            named[document].add(_NEWEST)
    if not named:
        return []
    pinned = set[int].union(*named.values()) - set[int].intersection(*named.values())
    if not pinned:
        return [0.0] * len(passages)
    return [len(named[passage.document_id] & pinned) / len(pinned) for passage in passages]


def _newest(names: Mapping[str, str]) -> Iterable[str]:
    """The documents with the newest period in their names; none where no name has one."""
    periods = {document: _period(name) for document, name in names.items()}
    newest = max(periods.values(), default=None)
    return [document for document, period in periods.items() if period == newest] if newest else []


def _period(name: str) -> tuple[int, ...]:
    """Year, quarter or month, and day, as numbers that can be compared; empty where ``name`` has no year."""
    found = (
        (int(each["year"]), int(each["part"] or each["quarter"] or 0), int(each["day"] or 0))
        for each in _PERIOD.finditer(name)
    )
    return max(found, default=())
