"""Finds lines of text on a page: PP-OCR's detection model and the reading of its map.

The map says of each pixel how probably it is text. The steps from the map to boxes are those of
"Real-time Scene Text Detection with Differentiable Binarization" (Liao et al., 2020), with PP-OCR's numbers.
"""

from collections.abc import Iterator
from math import ceil

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from workers.recognition.components import runs_of
from workers.recognition.geometry import Rectangle, rectangle_around

_LONGEST_SIDE = 1_920
"""Pixels. A page of A4 then has 164 dpi, at which the model finds print of 6 points."""

_SHORTEST_SIDE = 736
_STEP = 32
_TEXT = 0.3
_SURE = 0.5
_GROWTH = 1.6
"""The model marks the inner part of a line; the line is that much larger (area to perimeter)."""

_SMALLEST = 3  # pixels
_MOST_LINES = 3_000


def lines_on(page: Image.Image, model: onnxruntime.InferenceSession) -> list[Rectangle]:
    """Rectangles around the lines of text, in pixels of ``page``, an RGB picture."""
    width, height = _size_for_model(page.width, page.height)
    small = page.resize((width, height), Image.Resampling.BILINEAR)
    pixels = (np.asarray(small, np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
    (found,) = model.run(None, {"x": np.ascontiguousarray(pixels[:, ::-1])})
    across, down = page.width / width, page.height / height
    return [
        Rectangle(each.x * across, each.y * down, each.width * across, each.height * down, each.along)
        for each in _rectangles(found[0, 0])
    ]


def _size_for_model(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, _LONGEST_SIDE / max(width, height))
    scale = min(max(scale, _SHORTEST_SIDE / min(width, height)), _LONGEST_SIDE / max(width, height))
    return tuple(max(_STEP, round(side * scale / _STEP) * _STEP) for side in (width, height))  # type: ignore[return-value]


def _rectangles(probable: NDArray[np.float32]) -> Iterator[Rectangle]:
    runs = runs_of(probable > _TEXT)
    if not len(runs.rows):
        return
    order = np.argsort(runs.areas, kind="stable")
    firsts = np.flatnonzero(np.diff(runs.areas[order], prepend=-1))
    sums = np.concatenate(([0.0], np.cumsum(probable, dtype=np.float64)))
    width = probable.shape[1]
    for members in np.split(order, firsts[1:])[:_MOST_LINES]:
        rows, starts, ends = runs.rows[members], runs.starts[members], runs.ends[members]
        certainty = (sums[rows * width + ends] - sums[rows * width + starts]).sum() / (ends - starts).sum()
        if certainty < _SURE:
            continue
        points = np.concatenate((np.stack((starts, rows), 1), np.stack((ends, rows + 1), 1), np.stack((starts, rows + 1), 1), np.stack((ends, rows), 1)))
        box = rectangle_around(points.astype(np.float64))
        if min(box.width, box.height) >= _SMALLEST:
            yield box.grown(box.width * box.height * _GROWTH / (2 * (box.width + box.height)))
