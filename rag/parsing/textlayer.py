"""The text layer of a PDF, as PDFium reads it: whole words and numbers, without headings and tables."""

import re
from dataclasses import dataclass

from pypdfium2 import PdfDocument, PdfPage

from rag.parsing.columns import text_in_columns

_DIVIDED = re.compile(r"([^\W\d_]+)(?:[\x02\ufffe](?:\r?\n)?|[\u00ad-]\r?\n)([^\W\d_]+)")
_PREFIXES = frozenset({"post", "non", "self", "cross"})
_SHORTEST_AFTER_PREFIX = 6
"""Letters: "post-treatment" is written with a hyphen, "postpone" is not."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The ``text`` of a page, and the same in the order of its ``columns`` where it has three or more."""

    text: str = ""
    columns: str | None = None


def layers_of(data: bytes) -> tuple[list[Layer], str | None]:
    """The layer of each page, and the title that the file states. Raises PdfiumError."""
    document = PdfDocument(data)
    return [_layer(page) for page in document], document.get_metadata_value("Title") or None


def _layer(page: PdfPage) -> Layer:
    text = page.get_textpage()
    columns = text_in_columns(text)
    return Layer(_joined(text.get_text_bounded()), None if columns is None else _joined(columns))


def _joined(text: str) -> str:
    """``text`` with words whole that were divided at the end of a line.

    A hyphen stays where the text has it elsewhere too, after a prefix that takes one, and before a capital.
    """

    def join(found: re.Match[str]) -> str:
        first, rest = found.groups()
        hyphenated = f"{first}-{rest}"
        prefixed = first.lower() in _PREFIXES and len(rest) >= _SHORTEST_AFTER_PREFIX
        stays = prefixed or not rest[0].islower() or hyphenated in text
        return hyphenated if stays else first + rest

    return _DIVIDED.sub(join, text)
