"""The words of a text that say what it is about."""

from rag.text.asking import JOINING_GERMAN
from rag.text.normalising import folded
from rag.text.stemming import stem
from rag.text.words import JOINING_WORDS, capital_stop_words, characters_together, runs, stretches

_PAIR = 2
_STOP_WORDS = JOINING_WORDS | JOINING_GERMAN | {"many", "much"}
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

    In scripts without spaces each character counts as a word, in those of letters each three neighbours. A
    stop word in capitals within a sentence is a name: "vitamin A", "the US plant".
    """
    plain = folded(text)
    found = set(capital_stop_words(plain))
    for run in runs(plain):
        if size := characters_together(run):
            found.update(stretches(run, size) if size > _PAIR else run)
        elif run not in _STOP_WORDS:
            found.add(stem(_MEASURES.get(run, run)))
    return frozenset(found)
