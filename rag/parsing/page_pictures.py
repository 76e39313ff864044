"""Large pictures on PDF pages that have text: which there are, and below which words each of them stands.

Left are small ones, those over which text stands, since it says what they show, and those that come again and
again, such as logos.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any

from pypdfium2 import PdfImage, PdfiumError, PdfObject, PdfPage, PdfTextPage
from pypdfium2.raw import (
    FPDF_PAGEOBJ_FORM,
    FPDF_PAGEOBJ_IMAGE,
    FPDFFormObj_CountObjects,
    FPDFFormObj_GetObject,
    FPDFImageObj_GetImageDataRaw,
    FPDFPage_CountObjects,
    FPDFPage_GetObject,
    FPDFPageObj_GetType,
)

from rag.parsing.picture_marks import mark_of
from rag.parsing.pictures import MOST_SHOWN, is_icon

LEAST_SHARE = 0.05
"""Part of the page that a picture covers at least."""

_MOST_LETTERS = 20
"""Letters that may stand over a picture: a watermark, a number."""

_MOST_OBJECTS, _MOST_IMAGES = 100_000, 1_000  # of a page
_MOST_LARGE = 20  # of a page: as many as have room on it
_LARGEST_COMPARED = 1 << 20
"""Bytes of a picture that is compared with others; a logo has fewer."""

_NEAR = (40.0, 160.0)  # points
_ANCHOR_WORDS = (8, 4, 2)
_WORD = re.compile(r"\w+")
_LINES = re.compile(r"[^\r\n]+")
_BREAK = "\n\n"

Bounds = tuple[float, float, float, float]
"""Left, bottom, right and top, in points of the page."""


@dataclass(frozen=True, slots=True)
class PagePicture:
    """``content``: the same for equal pictures, "" for one that is too large to be compared.

    ``above``: the line of text above it, "" without one.
    """

    bounds: Bounds
    content: str
    above: str


def images_of(page: PdfPage) -> Iterator[PdfObject]:
    """The pictures of the page, also those of forms on it. Looking for them may take a millisecond."""
    return islice(_images(page), _MOST_IMAGES)


def _images(page: PdfPage) -> Iterator[PdfObject]:
    # PdfPage.get_objects makes an object of each line and word, which takes several times as long.
    for raw in _objects(page.raw, FPDFPage_CountObjects, FPDFPage_GetObject):
        kind = FPDFPageObj_GetType(raw)
        if kind == FPDF_PAGEOBJ_IMAGE:
            yield PdfObject(raw, page=page)
        elif kind == FPDF_PAGEOBJ_FORM:
            form = PdfObject(raw, page=page)
            for within in _objects(form.raw, FPDFFormObj_CountObjects, FPDFFormObj_GetObject):
                if FPDFPageObj_GetType(within) == FPDF_PAGEOBJ_IMAGE:
                    yield PdfObject(within, page=page, container=form, level=1)


def _objects(holder: Any, count: Callable[..., int], get: Callable[..., Any]) -> Iterator[Any]:
    """What PDFium's handle of a page or form holds."""
    return filter(None, (get(holder, index) for index in range(min(count(holder), _MOST_OBJECTS))))


def bounds_of(image: PdfObject) -> Bounds:
    """Where it stands on its page; an empty place for one that stands nowhere."""
    try:
        left, bottom, right, top = image.get_bounds()
        if image.container is not None:
            left, bottom, right, top = image.container.get_matrix().on_rect(left, bottom, right, top)
    except PdfiumError:
        return 0.0, 0.0, 0.0, 0.0
    return left, bottom, right, top


def area_of(bounds: Bounds) -> float:
    left, bottom, right, top = bounds
    return max(0.0, right - left) * max(0.0, top - bottom)


def pictures_of(page: PdfPage, text: PdfTextPage) -> tuple[PagePicture, ...]:
    """The large pictures of a page without text over them, from top to bottom."""
    edges = page.get_bbox()
    least = LEAST_SHARE * max(1.0, area_of(edges))
    found = []
    for image in images_of(page):
        bounds = _within(bounds_of(image), edges)
        if area_of(bounds) >= least and not is_icon(_size(image)) and not _is_written_over(text, bounds):
            found.append(PagePicture(bounds, _content(image), _line_above(text, bounds, edges)))
    return tuple(sorted(found, key=lambda picture: -picture.bounds[3])[:_MOST_LARGE])


def without_logos(pictures: Mapping[int, Sequence[PagePicture]]) -> list[tuple[int, PagePicture]]:
    """The pages' numbers and their pictures, but for those that come again and again."""
    shown = Counter(picture.content for found in pictures.values() for picture in found)
    return [
        (number, picture)
        for number, found in pictures.items()
        for picture in found
        if not picture.content or shown[picture.content] <= MOST_SHOWN
    ]


def marked(content: str, pictures: Iterable[tuple[int, PagePicture]]) -> str:
    """The page's text with a mark for each of these numbered pictures, below the line that is above it."""
    words = list(_WORD.finditer(content))
    joined = f" {' '.join(word[0] for word in words)} "
    places = [(_place(content, words, joined, each.above), mark_of(number)) for number, each in pictures]
    pieces, done = list[str](), 0
    for place, mark in sorted(places, key=lambda each: each[0]):
        pieces += (content[done:place].strip("\n"), mark)
        done = place
    return _BREAK.join(filter(None, (*pieces, content[done:].strip("\n"))))


def _within(bounds: Bounds, edges: Bounds) -> Bounds:
    return (
        max(bounds[0], edges[0]),
        max(bounds[1], edges[1]),
        min(bounds[2], edges[2]),
        min(bounds[3], edges[3]),
    )


def _size(image: PdfObject) -> tuple[int, int]:
    try:
        width, height = image.get_px_size() if isinstance(image, PdfImage) else (0, 0)
    except PdfiumError:
        return 0, 0
    return width, height


def _content(image: PdfObject) -> str:
    """The digest of its bytes; "" for a large one."""
    size = FPDFImageObj_GetImageDataRaw(image, None, 0)
    if not isinstance(image, PdfImage) or not 0 < size <= _LARGEST_COMPARED:
        return ""
    return sha256(bytes(image.get_data())).hexdigest()


def _is_written_over(text: PdfTextPage, bounds: Bounds) -> bool:
    return sum(map(str.isalnum, text.get_text_bounded(*bounds))) > _MOST_LETTERS


def _line_above(text: PdfTextPage, bounds: Bounds, edges: Bounds) -> str:
    """The last line of the text above, as wide as the picture, else of that on the whole width."""
    left, _, right, top = bounds
    tops = (*(top + near for near in _NEAR), edges[3])
    for sides in ((left, right), (edges[0], edges[2])):
        for highest in tops:
            found = text.get_text_bounded(sides[0], top, sides[1], highest)
            lines: list[str] = [line for line in _LINES.findall(found) if _WORD.search(line)]
            if lines:
                return lines[-1]
    return ""


def _place(content: str, words: Sequence[re.Match[str]], joined: str, above: str) -> int:
    """The end of the line, or of the table, with the last words ``above``; else that of the page."""
    last = _WORD.findall(above)
    if not last:
        return 0
    for count in _ANCHOR_WORDS:
        wanted = last[-count:]
        at = joined.find(f" {' '.join(wanted)} ")
        if at >= 0:
            return _end_of_line(content, words[joined.count(" ", 0, at) + len(wanted) - 1].end())
    return len(content)


def _end_of_line(content: str, offset: int) -> int:
    start = content.rfind("\n", 0, offset) + 1
    end = content.find("\n\n" if content.startswith("|", start) else "\n", offset)
    return len(content) if end < 0 else end
