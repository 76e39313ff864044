"""The words of a text that say what it is about."""

import re

from rag.text.stemming import stem

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_STOP_WORDS = frozenset(
    """a an and are as at be been being by did do does for from had has have how i in is it its many
    me much my of on or s should t that the their there they this to was we were what when where which
    who whom whose why will with you your
    das dem den der des ein eine einem einen einer eines ist mit nach oder sind und von welche welchem
    welchen welcher welches wer werden wie wieso wird wo zu zum zur
    """.split()  # noqa: SIM905 - prose is easier to read than a hundred quoted words
)
_MEASURES = {
    word: measure
    for measure, words in {
        "depth": "deep tief tiefe",
        "weight": "heavy weigh weighs weighed weighing wiegt wiegen schwer gewicht",
        "height": "high tall hoch höhe",
        "width": "wide breit breite",
        "length": "long lang länge",
        "price": "cost costs expensive cheap kostet kosten preis teuer",
        "age": "old alt alter",
        "speed": "fast schnell geschwindigkeit",
        "distance": "far entfernung weit",
        "voltage": "volt volts spannung",
        "temperature": "hot cold warm degree degrees temperatur grad",
        "call": "named called name names heißt heißen",
    }.items()
    for word in words.split()
}
"""Words for one measure: "how heavy" asks for the weight, and "it weighs" tells it."""


def content_words(text: str) -> frozenset[str]:
    """Stems of the words of ``text`` without stop words: articles, question words and the like.

    In scripts without spaces each character counts as a word. A stop word in capitals within a sentence is
    a name: "vitamin A", "the US plant".
    """
    found = []
    for match in _WORD.finditer(text):
        word = match[0]
        if (lower := word.casefold()) not in _STOP_WORDS:
            found.append(stem(_MEASURES.get(lower, lower)))
        elif word.isupper() and word != "I" and _is_within(text, match.start()):
            found.append(word)
    return frozenset(found)


def _is_within(text: str, start: int) -> bool:
    """Whether a word in lower-case letters stands right before ``start``, or the word begins no sentence."""
    before = text[max(0, start - 2) : start]
    return len(before) == 2 and before[1] == " " and (before[0].isalnum() or before[0] in ",(")
