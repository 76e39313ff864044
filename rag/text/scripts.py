"""How far the bundled English models read a text, by its language and script.

Their vote in ranking and in refusing is weighed by it. Measured on XQuAD (150 questions over 120
paragraphs a language; ``docs/decisions/0053-languages.md``): the embedder's cosine lifts English,
neither helps nor harms a language in Latin letters while it weighs a quarter, and harms above. Its
token vectors harm every language but English.
"""

import re
from collections.abc import Mapping

from rag.text.languages import ENGLISH, asked_languages

_LETTERS = re.compile(r"[^\W\d_]")
_LATIN = re.compile("[A-Za-z\u00aa-\u024f\u1e00-\u1eff]")

FULL, NONE = 1.0, 0.0
_IN_LATIN_LETTERS = 0.25
_OTHER_SCRIPTS: Mapping[str, float] = dict.fromkeys(
    ("ar", "el", "hi", "ja", "ko", "ru", "ta", "th", "zh"), NONE
)


def model_vote(question: str) -> float:
    """The weight, 0 to 1, of what an English model says about passages for this question.

    1 for English, and for a question whose words do not tell a language. Below 1, a model should
    vote by the embedding's cosine only, and with this weight.
    """
    languages = asked_languages(question)
    if not languages or ENGLISH in languages:
        return FULL
    return min(_OTHER_SCRIPTS.get(language, _IN_LATIN_LETTERS) for language in languages)


def latin_share(text: str) -> float:
    """The share of a text's letters that are Latin, 0 to 1; 1 for a text without letters."""
    letters = len(_LETTERS.findall(text))
    return min(len(_LATIN.findall(text)) / letters, 1.0) if letters else 1.0
