"""Finds the parts of a page that have anything on them.

The detection model weighs a picture as a whole, so on a page that is nearly blank it misses single lines.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Area = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

_REDUCED = 4
"""Noise of single pixels is gone at a quarter of the size; strokes are not."""

_CONTRAST = 30  # grey levels between paper and ink
_GAP = 0.04
"""Part of the page's height: more blank rows than that part one area from the next."""

_MARGIN = 16  # pixels
_MOST_AREAS = 50


def inked_areas(page: Image.Image) -> list[Area]:
    """Stripes of the page with ink, from top to bottom, each as wide as its ink, with a margin."""
    grey = np.asarray(page.convert("L").reduce(_REDUCED), np.int16)
    inked = np.abs(grey - np.median(grey)) > _CONTRAST
    return [
        (
            max(0, left * _REDUCED - _MARGIN),
            max(0, top * _REDUCED - _MARGIN),
            min(page.width, right * _REDUCED + _MARGIN),
            min(page.height, bottom * _REDUCED + _MARGIN),
        )
        for left, top, right, bottom in _stripes(inked)
    ]


def _stripes(inked: NDArray[np.bool_]) -> Iterator[Area]:
    rows = np.flatnonzero(inked.any(axis=1))
    gap = max(2.0, _GAP * len(inked), len(rows) / _MOST_AREAS)
    for group in np.split(rows, np.flatnonzero(np.diff(rows) > gap) + 1):
        if len(group):
            top, bottom = int(group[0]), int(group[-1]) + 1
            columns = np.flatnonzero(inked[top:bottom].any(axis=0))
            yield int(columns[0]), top, int(columns[-1]) + 1, bottom
