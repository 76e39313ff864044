"""Draws pages of a PDF, by PDFium."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from pypdfium2 import PdfBitmap, PdfDocument, PdfPage

from rag.parsing.page_pictures import Bounds
from rag.parsing.recognition import Picture

_DPI, _DPI_OF_PARTS = 200, 300
"""Letters on pictures within a page are often smaller than those beside them."""

_LONGEST_SIDE = 4_000  # pixels


def rendered(data: bytes, numbers: Sequence[int]) -> Iterator[tuple[int, Callable[[], Picture]]]:
    """The pages with these numbers, from 1, and what draws each of them. Raises PdfiumError."""
    document = PdfDocument(data)
    yield from ((number, partial(_drawn, document, number)) for number in numbers)


def parts_rendered(data: bytes, parts: Sequence[tuple[int, Bounds]]) -> Iterator[Callable[[], Picture]]:
    """What draws each of these parts of pages, given by number, from 1, and place. Raises PdfiumError."""
    document = PdfDocument(data)
    yield from (partial(_part_drawn, document, *part) for part in parts)


def _drawn(document: PdfDocument, number: int) -> Picture:
    return _pixels(_bitmap(document[number - 1], _DPI))


def _part_drawn(document: PdfDocument, number: int, bounds: Bounds) -> Picture:
    """The part as it is shown: pages may be turned."""
    page = document[number - 1]
    bitmap = _bitmap(page, _DPI_OF_PARTS)
    place = bitmap.get_posconv(page)
    corners = (place.to_bitmap(*bounds[:2]), place.to_bitmap(*bounds[2:]))
    (left, right), (top, bottom) = (sorted(max(0, at) for at in each) for each in zip(*corners, strict=True))
    part = _pixels(bitmap)[top:bottom, left:right]
    return np.ascontiguousarray(part) if part.size else np.full((1, 1, 3), 255, np.uint8)


def _bitmap(page: PdfPage, dpi: int) -> PdfBitmap:
    # Sides of a page may be 0, or kilometres.
    scale = min(dpi / 72, _LONGEST_SIDE / max(1.0, *page.get_size()))
    return page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)


def _pixels(bitmap: PdfBitmap) -> Picture:
    pixels = bitmap.to_numpy()
    return np.ascontiguousarray(pixels[:, :, :3]) if pixels.shape[2] >= 3 else np.repeat(pixels, 3, axis=2)
