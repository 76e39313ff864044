"""The words of a text that carry its meaning."""

import re

from rag.lexical import stem

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_EMPTY = frozenset(
    """a an and are as at be been being by did do does for from had has have how in is it its many
    much of on or s that the this to was were what when where which who whom whose why with
    """.split()  # noqa: SIM905 - prose is easier to read than fifty quoted words
)


def content_words(text: str) -> frozenset[str]:
    """Stems of the words of ``text`` without the empty ones (articles, question words and the like).

    Scripts without spaces count each character as a word.
    """
    return frozenset(stem(word) for word in _WORD.findall(text.casefold()) if word not in _EMPTY)
