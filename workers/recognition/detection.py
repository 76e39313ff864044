"""Finds lines of text on a page: PP-OCR's detection model and the reading of its map.

The map says of each pixel how probably it is text. The steps from the map to boxes are those of
"Real-time Scene Text Detection with Differentiable Binarization" (Liao et al., 2020), with PP-OCR's numbers.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from workers.recognition.components import runs_of
from workers.recognition.geometry import Rectangle, rectangle_around
from workers.recognition.inked import inked_areas

_LONGEST_SIDE = 1_920
"""Pixels. A page of A4 then has 164 dpi, at which the model finds print of 6 points."""

_SHORTEST_SIDE = 736
_LARGEST_SCALE = 2.5
_STEP = 32
_TEXT = 0.3
_SURE = 0.5
_GROWTH = 1.6
"""The model marks the inner part of a line; the line is that much larger (area to perimeter)."""

_SMALLEST = 3  # pixels
_MOST_LINES = 3_000


def lines_on(page: Image.Image, model: onnxruntime.InferenceSession) -> list[Rectangle]:
    """Rectangles around the lines of text, in pixels of ``page``, an RGB picture."""
    lines = (
        replace(line, x=line.x + area[0], y=line.y + area[1])
        for area in inked_areas(page)
        for line in _lines_in(page.crop(area), model)
    )
    return list(islice(lines, _MOST_LINES))


def _lines_in(picture: Image.Image, model: onnxruntime.InferenceSession) -> Iterator[Rectangle]:
    width, height = _size_for_model(picture.width, picture.height)
    scaled = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = (np.asarray(scaled, np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
    (found,) = model.run(None, {"x": np.ascontiguousarray(pixels[:, ::-1])})
    across, down = picture.width / width, picture.height / height
    for each in _rectangles(found[0, 0]):
        yield Rectangle(each.x * across, each.y * down, each.width * across, each.height * down, each.along)


def _size_for_model(width: int, height: int) -> tuple[int, int]:
    """Width and height in steps, small parts larger than they are."""
    wanted = min(_LARGEST_SCALE, max(1.0, _SHORTEST_SIDE / min(width, height)))
    scale = min(wanted, _LONGEST_SIDE / max(width, height))
    return max(_STEP, round(width * scale / _STEP) * _STEP), max(_STEP, round(height * scale / _STEP) * _STEP)


def _rectangles(probable: NDArray[np.float32]) -> Iterator[Rectangle]:
    runs = runs_of(probable > _TEXT)
    if not len(runs.rows):
        return
    order = np.argsort(runs.areas, kind="stable")
    firsts = np.flatnonzero(np.diff(runs.areas[order], prepend=-1))
    sums = np.concatenate(([0.0], np.cumsum(probable, dtype=np.float64)))
    width = probable.shape[1]
    for members in np.split(order, firsts[1:]):
        rows, starts, ends = runs.rows[members], runs.starts[members], runs.ends[members]
        certainty = (sums[rows * width + ends] - sums[rows * width + starts]).sum() / (ends - starts).sum()
        if certainty < _SURE:
            continue
        columns = np.concatenate((starts, ends, starts, ends))
        points = np.stack((columns, np.concatenate((rows, rows, rows + 1, rows + 1))), axis=1)
        box = rectangle_around(points.astype(np.float64))
        if min(box.width, box.height) >= _SMALLEST:
            yield box.grown(box.width * box.height * _GROWTH / (2 * (box.width + box.height)))
