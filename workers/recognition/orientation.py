"""Finds out whether a page lies on its side or upside down, and turns it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from workers.recognition.cutting import UPRIGHT, cut
from workers.recognition.detection import lines_on
from workers.recognition.geometry import Rectangle
from workers.recognition.models import Models

_WIDTH, _HEIGHT = 192, 48
_UPSIDE_DOWN = 1
_SAMPLE = 9
"""Lines that are looked at, the longest ones. An odd number, so that there is a majority."""


def upright(page: Image.Image, models: Models) -> tuple[Image.Image, list[Rectangle]]:
    """The page as it is read, and the lines on it."""
    lines = lines_on(page, models.detection)
    if _lies(lines):
        page = page.transpose(Image.Transpose.ROTATE_90)
        lines = lines_on(page, models.detection)
    if not _is_upside_down(page, lines, models):
        return page, lines
    turned = [replace(line, x=page.width - line.x, y=page.height - line.y) for line in lines]
    return page.transpose(Image.Transpose.ROTATE_180), turned


def _lies(lines: Sequence[Rectangle]) -> bool:
    """Whether most of the text runs up or down."""
    along = sum(line.height for line in lines if line.height >= UPRIGHT * line.width)
    return along > sum(line.width for line in lines if line.height < UPRIGHT * line.width)


def _is_upside_down(page: Image.Image, lines: Sequence[Rectangle], models: Models) -> bool:
    longest = sorted(lines, key=lambda line: line.width, reverse=True)[:_SAMPLE]
    votes = sum(_votes_down(cut(page, line), models) for line in longest)
    return votes > len(longest) / 2


def _votes_down(line: Image.Image, models: Models) -> bool:
    begin = np.asarray(line.crop((0, 0, min(_WIDTH, line.width), _HEIGHT)), np.float32) / 127.5 - 1
    pixels = np.zeros((1, 3, _HEIGHT, _WIDTH), np.float32)
    pixels[0, :, :, : begin.shape[1]] = begin.transpose(2, 0, 1)[::-1]
    (answer,) = models.orientation.run(None, {"x": pixels})
    return int(answer[0].argmax()) == _UPSIDE_DOWN
