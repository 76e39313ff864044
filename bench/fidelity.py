"""Which words and numbers of PDF files the kept text has whole: ``python -m bench.fidelity FILE…``.

Measured page by page against PDFium's text layer, each word as often as it is there. Not counted are words
that a line's end divides, those of running heads and page numbers, which are left out on purpose, and words
with signs that their font does not name.
"""

import re
import sys
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pypdfium2 import PdfDocument

from rag.errors import AegisError
from rag.model import ParsedDocument
from rag.parsing import pdf

_WORD = re.compile(r"[^\W_](?:[\w.,'/:-]*[^\W_])?")
_DIVIDED = re.compile("\\S*(?:[\x02\ufffe](?:\r?\n)?|[\u00ad-]\r?\n)\\S*")
_UNNAMED = re.compile(r"\S*[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]\S*")
_ALIKE = str.maketrans("’‘–—−", "''---")
_MARKS = re.compile(r"[*`]")
_MOST_TEXT = 100 << 20
_EDGE_LINES = 3
"""Lines at each edge of a page in which running heads and page numbers stand."""

_NEAR = 60  # characters of the pages before and after, where a word that is divided between them is whole


@dataclass(slots=True)
class Fidelity:
    """How many ``numbers`` and ``words`` there are, and which are ``lost``, as page and word."""

    numbers: int = 0
    words: int = 0
    lost: list[tuple[int, str]] = field(default_factory=list)


def fidelity(data: bytes) -> Fidelity:
    """What is whole of a PDF file's text layer. Raises the parser's errors."""
    document = pdf.pdf(data, _MOST_TEXT)
    found = Fidelity()
    for number, page in enumerate(PdfDocument(data), 1):
        layer = page.get_textpage().get_text_bounded()
        there = _words(_UNNAMED.sub(" ", _DIVIDED.sub(" ", layer)))
        kept = _text(document, number)
        have = _words(kept) | _words(_MARKS.sub("", kept))
        edges = _words(" ".join(_edges(layer)))
        for word, count in there.items():
            if any(map(str.isdigit, word)):
                found.numbers += count
            else:
                found.words += count
            found.lost += [(number, word)] * max(0, count - have[word] - edges[word])
    return found


def _text(document: ParsedDocument, number: int) -> str:
    page = next((each for each in document.pages if each.number == number), None)
    return document.text[max(0, page.start - _NEAR) : page.end + _NEAR] if page else ""


def _edges(layer: str) -> list[str]:
    lines = [line for line in layer.splitlines() if line.strip()]
    return lines[:_EDGE_LINES] + lines[-_EDGE_LINES:]


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", text).translate(_ALIKE)))


def main(paths: list[str]) -> None:
    numbers = words = lost_numbers = lost_words = 0
    for path in paths:
        try:
            found = fidelity(Path(path).read_bytes())
        except AegisError as error:
            print(f"{path}: {error}")
            continue
        broken = sum(any(map(str.isdigit, word)) for _, word in found.lost)
        numbers, words = numbers + found.numbers, words + found.words
        lost_numbers, lost_words = lost_numbers + broken, lost_words + len(found.lost) - broken
        if found.lost:
            print(f"{path}: {len(found.lost)} lost, such as {found.lost[:5]}")
    print(f"numbers: {1 - lost_numbers / max(1, numbers):.4%} of {numbers} are whole")
    print(f"words: {1 - lost_words / max(1, words):.4%} of {words} are whole")


if __name__ == "__main__":
    main(sys.argv[1:])
