"""Mends words and numbers of a PDF where spaces were guessed wrong: "16,41 1" becomes "16,411".

A reader that guesses spaces from distances mistakes a wide kern for one, and misses a narrow one. PDFium's
text layer has the words whole. So pieces that make a word of the page, and are none themselves, belong
together; and what is no word of the page, but two that follow one another, is parted.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

_PIECES = re.compile(r"[^\s|]+(?: [^\s|]+)*")
_MARKS = "*_`#"
_MOST_PIECES = 4


@dataclass(frozen=True, slots=True)
class Words:
    """The ``known`` words of a page, and how to write what runs together: ``posttreatment``, ``FX-7and``."""

    known: frozenset[str]
    parted: dict[str, str]

    @classmethod
    def of(cls, text: str) -> Self:
        words = text.split()
        known = frozenset(words)
        parted = {word.replace("-", ""): word for word in known if "-" in word[1:-1]}
        parted |= {first + second: f"{first} {second}" for first, second in pairwise(words)}
        return cls(known, {run: words for run, words in parted.items() if run not in known})

    def mend(self, content: str) -> str:
        """``content``, Markdown, with the words of each line and cell as they are known."""
        if not self.known:
            return content
        return _PIECES.sub(lambda run: " ".join(self._mended(run[0].split(" "))), content)

    def _mended(self, pieces: list[str]) -> Iterator[str]:
        unknown = [piece.strip(_MARKS) not in self.known for piece in pieces]
        start = 0
        while start < len(pieces):
            # Most words are known as they stand, and need no further look.
            most = _MOST_PIECES if any(unknown[start : start + _MOST_PIECES]) else 1
            length = next((n for n in range(most, 1, -1) if self._belong(pieces[start : start + n])), 1)
            word = "".join(pieces[start : start + length])
            yield self.parted.get(word, word)
            start += length

    def _belong(self, pieces: list[str]) -> bool:
        bare = [piece.strip(_MARKS) for piece in pieces]
        whole = "".join(pieces).strip(_MARKS)
        return (
            len(pieces) > 1
            and all(bare)
            and whole in self.known
            and any(piece not in self.known for piece in bare)
        )
