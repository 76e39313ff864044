"""The text layer of a PDF, as PDFium reads it: whole words and numbers, without headings and tables."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

from rag.parsing.columns import text_in_columns
from rag.parsing.page_pictures import PagePicture, area_of, bounds_of, images_of, pictures_of
from rag.parsing.textlines import Line, lines_of

_DIVIDER = re.compile(r"(?<=[^\W\d_])(?:[\x02\ufffe](?:\r?\n)?|[\u00ad-]\r?\n)(?=[^\W\d_])")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")
_PICTURE = re.compile(rb"/Subtype\s{0,9}/Image\b")
_LONGEST_WORD = 40  # letters
_STAMP = 80
"""Letters that a scanner's program writes over a page, at most."""

_WHOLE_PAGE = 0.5
_LOST = "\ufffd\x00"
_MOST_LOST = 0.2
_PUNCTUATION = ".,;:!?()[]\"'“”"
_PREFIXES = frozenset({"post", "non", "self", "cross"})
_SHORTEST_AFTER_PREFIX = 6
"""Letters: "post-treatment" is written with a hyphen, "postpone" is not."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The ``text`` of a page, and the same in the order of its ``columns`` where it has three or more.

    ``is_scan``: whether the page shows its text as a picture; ``pictures``: the large ones of any other page.
    """

    text: str = ""
    columns: str | None = None
    is_scan: bool = False
    pictures: tuple[PagePicture, ...] = ()


def layers_of(
    document: PdfDocument, compounds: frozenset[str] = frozenset(), *, has_pictures: bool = False
) -> Iterator[tuple[Layer, Callable[[], list[Line] | None]]]:
    """The layer of each page, and what reads its lines until the next page is asked for.

    ``compounds``: words that have a hyphen wherever they stand in the document. ``has_pictures``: whether
    pages may have some, see :func:`may_have_pictures`. Raises PdfiumError for a page that cannot be read.
    """
    for page in document:
        text = page.get_textpage()
        layer = _layer(page, text, compounds)
        if has_pictures and not layer.is_scan:
            layer = replace(layer, pictures=pictures_of(page, text))
        yield layer, partial(lines_of, text)


def may_have_pictures(data: bytes) -> bool:
    """Whether the file names a picture: those are streams, whose dictionaries are never packed."""
    return _PICTURE.search(data) is not None


def _layer(page: PdfPage, text: PdfTextPage, compounds: frozenset[str]) -> Layer:
    columns = text_in_columns(text)
    # The bounds of a turned page are those of the page as it lies: words of it are beyond them.
    whole = joined(text.get_text_range() if page.get_rotation() else text.get_text_bounded(), compounds)
    return Layer(whole, None if columns is None else joined(columns, compounds), _is_scan(page, whole))


def _is_scan(page: PdfPage, text: str) -> bool:
    """Whether the page shows its text as a picture: a stamp or page number may be written over it."""
    letters = sum(map(str.isalnum, text))
    if not letters:
        return next(page.get_objects(max_depth=1), None) is not None
    lost = sum(map(text.count, _LOST))
    return (letters <= _STAMP or lost > _MOST_LOST * letters) and _pictured(page) >= _WHOLE_PAGE


def _pictured(page: PdfPage) -> float:
    """The part of the page that its largest picture covers."""
    width, height = page.get_size()
    largest = max((area_of(bounds_of(image)) for image in images_of(page)), default=0.0)
    return largest / max(float(width * height), 1.0)


def compounds_of(texts: Iterable[str]) -> frozenset[str]:
    """The words that have a hyphen wherever they stand in ``texts``."""
    compounds, words = set[str](), set[str]()
    for text in texts:
        found = _WORD.findall(text)
        words.update(found)
        compounds.update(word for word in found if "-" in word)
    return frozenset(word for word in compounds if word.replace("-", "") not in words)


def joined(text: str, compounds: frozenset[str] = frozenset()) -> str:
    """``text`` with words whole that were divided at the end of a line.

    A hyphen stays in ``compounds``, where the text has it elsewhere too, after a prefix that takes one, and
    before a capital.
    """

    def join(divider: re.Match[str]) -> str:
        start, end = divider.span()
        first = _last_word(text[max(0, start - _LONGEST_WORD) : start])
        rest = _first_word(text[end : end + _LONGEST_WORD])
        prefixed = first.lower() in _PREFIXES and len(rest) >= _SHORTEST_AFTER_PREFIX
        stays = prefixed or not rest[0].islower() or f"{first}-{rest}" in hyphenated
        return "-" if stays else ""

    hyphenated = compounds | frozenset(word.strip(_PUNCTUATION) for word in text.split() if "-" in word)
    return _DIVIDER.sub(join, text)


def _first_word(text: str) -> str:
    return "".join(takewhile(str.isalpha, text))


def _last_word(text: str) -> str:
    return _first_word(text[::-1])[::-1]
