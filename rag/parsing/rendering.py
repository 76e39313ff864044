"""Draws pages of a PDF, by PDFium."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from pypdfium2 import PdfDocument

from rag.parsing.recognition import Picture

_DPI = 200
_LONGEST_SIDE = 4_000  # pixels


def rendered(data: bytes, numbers: Sequence[int]) -> Iterator[tuple[int, Callable[[], Picture]]]:
    """The pages with these numbers, from 1, and what draws each of them. Raises PdfiumError."""
    document = PdfDocument(data)
    yield from ((number, partial(_drawn, document, number)) for number in numbers)


def _drawn(document: PdfDocument, number: int) -> Picture:
    page = document[number - 1]
    # Sides of a page may be 0, or kilometres.
    scale = min(_DPI / 72, _LONGEST_SIDE / max(1.0, *page.get_size()))
    pixels = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False).to_numpy()
    return np.ascontiguousarray(pixels[:, :, :3]) if pixels.shape[2] >= 3 else np.repeat(pixels, 3, axis=2)
