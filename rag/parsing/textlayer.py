"""The text layer of a PDF, as PDFium reads it: whole words and numbers, without headings and tables."""

import re
from dataclasses import dataclass
from itertools import takewhile

from pypdfium2 import PdfDocument, PdfPage

from rag.parsing.columns import text_in_columns

_DIVIDER = re.compile(r"(?<=[^\W\d_])(?:[\x02\ufffe](?:\r?\n)?|[\u00ad-]\r?\n)(?=[^\W\d_])")
_LONGEST_WORD = 40  # letters
_PUNCTUATION = ".,;:!?()[]\"'“”"
_PREFIXES = frozenset({"post", "non", "self", "cross"})
_SHORTEST_AFTER_PREFIX = 6
"""Letters: "post-treatment" is written with a hyphen, "postpone" is not."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The ``text`` of a page, and the same in the order of its ``columns`` where it has three or more.

    ``shows``: whether anything is drawn on the page.
    """

    text: str = ""
    columns: str | None = None
    shows: bool = False


def layers_of(data: bytes) -> tuple[list[Layer], str | None]:
    """The layer of each page, and the title that the file states. Raises PdfiumError."""
    document = PdfDocument(data)
    return [_layer(page) for page in document], document.get_metadata_value("Title") or None


def _layer(page: PdfPage) -> Layer:
    text = page.get_textpage()
    columns = text_in_columns(text)
    shows = next(page.get_objects(max_depth=1), None) is not None
    return Layer(joined(text.get_text_bounded()), None if columns is None else joined(columns), shows)


def joined(text: str) -> str:
    """``text`` with words whole that were divided at the end of a line.

    A hyphen stays where the text has it elsewhere too, after a prefix that takes one, and before a capital.
    """

    def join(divider: re.Match[str]) -> str:
        start, end = divider.span()
        first = _last_word(text[max(0, start - _LONGEST_WORD) : start])
        rest = _first_word(text[end : end + _LONGEST_WORD])
        prefixed = first.lower() in _PREFIXES and len(rest) >= _SHORTEST_AFTER_PREFIX
        stays = prefixed or not rest[0].islower() or f"{first}-{rest}" in hyphenated
        return "-" if stays else ""

    hyphenated = frozenset(word.strip(_PUNCTUATION) for word in text.split() if "-" in word)
    return _DIVIDER.sub(join, text)


def _first_word(text: str) -> str:
    return "".join(takewhile(str.isalpha, text))


def _last_word(text: str) -> str:
    return _first_word(text[::-1])[::-1]
