"""The kind of answer an English question asks for, and whether a sentence contains one."""

import re
from collections.abc import Set as AbstractSet
from enum import StrEnum

from workers.generation.words import content_words


class Expectation(StrEnum):
    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    REASON = "reason"
    ANYTHING = "anything"


_QUESTIONS = (
    (
        Expectation.NUMBER,
        r"\bhow (?:many|much|long|old|far|tall|large|big|high|often|wide|deep|fast|heavy)\b"
        r"|\bwhat (?:percent|percentage|number|fraction|proportion)\b",
    ),
    (
        Expectation.DATE,
        r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b",
    ),
    (
        Expectation.NAME,
        r"\b(?:who|whom|whose|where)\b|\b(?:what|which) (?:city|country|state|place|town|region|county)\b",
    ),
    (Expectation.REASON, r"\bwhy\b|\b(?:reason|cause)\b"),
)
_NUMBER = (
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty"
    r"|hundred|thousand|million|billion|half|third|quarter|dozen|once|twice|several|both)s?\b"
)
_DATE = (
    r"\b(?:1\d{3}|20\d{2})s?\b|\b\d+(?:st|nd|rd|th)\b|\bcentur"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b"
    r"|\b(?:day|week|month|year|decade|era)s?\b|\btoday\b"
)
_REASON = r"\b(?:because|since|due|caused?|reasons?|therefore|so that|in order|as a result|thus|hence|led)\b"
_ANSWERS = {
    Expectation.NUMBER: re.compile(_NUMBER, re.IGNORECASE),
    Expectation.DATE: re.compile(_DATE, re.IGNORECASE),
    Expectation.REASON: re.compile(_REASON, re.IGNORECASE),
}
_PATTERNS = tuple((expectation, re.compile(pattern, re.IGNORECASE)) for expectation, pattern in _QUESTIONS)
_YES_OR_NO = re.compile(
    r"\W{0,3}(?:is|are|was|were|do|does|did|can|could|may|must|should|shall|will|would|has|have|had|"
    r"ist|sind|war|waren|kann|können|darf|dürfen|muss|müssen|soll|sollen|hat|haben|wird|werden|gibt)\b",
    re.IGNORECASE,
)
_CAPITALISED = re.compile(r"(?<=\s)[(\"'“]?([A-Z][\w'’-]*)")


def expected(question: str) -> Expectation:
    """The first kind whose question words are in ``question``."""
    return next((e for e, pattern in _PATTERNS if pattern.search(question)), Expectation.ANYTHING)


def asks_yes_or_no(question: str) -> bool:
    """Whether "yes" or "no" may answer: a sentence that repeats the question then says that it is so."""
    return _YES_OR_NO.match(question) is not None


def holds(sentence: str, expectation: Expectation, asked: AbstractSet[str]) -> bool:
    """Whether ``sentence`` contains what is expected. A name counts unless it is among the words ``asked``.

    The first word of a sentence is always capitalised and does not count as a name.
    """
    if expectation is Expectation.NAME:
        return any(content_words(name) - asked for name in _CAPITALISED.findall(sentence))
    pattern = _ANSWERS.get(expectation)
    return pattern is not None and pattern.search(sentence) is not None
