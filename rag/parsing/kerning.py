"""Joins the words and numbers of a PDF that its kerning split: "16,41 1" becomes "16,411".

A reader that guesses spaces from distances mistakes a wide kern for one. PDFium's text layer has the words
whole, so pieces that make a word of the page, and are none themselves, belong together.
"""

import re
from collections.abc import Iterator

_PIECES = re.compile(r"[^\s|]+(?: [^\s|]+)+")
_MARKS = "*_`#"
_MOST_PIECES = 4


def join_pieces(content: str, words: set[str]) -> str:
    """``content``, Markdown, with pieces joined that stand on one line and together are in ``words``."""
    if not words:
        return content
    return _PIECES.sub(lambda run: " ".join(_joined(run[0].split(" "), words)), content)


def _joined(pieces: list[str], words: set[str]) -> Iterator[str]:
    start = 0
    while start < len(pieces):
        length = next(
            (n for n in range(_MOST_PIECES, 1, -1) if _is_word(pieces[start : start + n], words)), 1
        )
        yield "".join(pieces[start : start + length])
        start += length


def _is_word(pieces: list[str], words: set[str]) -> bool:
    bare = [piece.strip(_MARKS) for piece in pieces]
    whole = "".join(pieces).strip(_MARKS)
    return len(pieces) > 1 and all(bare) and whole in words and any(piece not in words for piece in bare)
