"""Recognises the lines of a page by PP-OCRv6."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rag.model import TextLine
from workers.recognition.cutting import HEIGHT, cut
from workers.recognition.geometry import Rectangle
from workers.recognition.models import Models
from workers.recognition.orientation import upright
from workers.recognition.scripts import has_unknown_letters, without_doubtful

_NARROWEST = 160
_BATCH = 6
_CIRCLED = {0x2460 + digit: str(digit + 1) for digit in range(9)}
_WIDE = {0xFF01 + place: chr(0x21 + place) for place in range(94)}
_CHINESE = re.compile("[\u2e80-\u9fff\uf900-\ufaff]")
_LEAST_SURE = 0.7
_FEWEST_CHARACTERS = 0.8
"""For as much of a line as it is high. Print has about two."""

_SHORT = 2
"""Times its height: a line that is not longer may hold anything."""


class PaddleRecogniser:
    """Implements :class:`rag.ports.Recogniser`."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def recognise(self, page: NDArray[np.uint8]) -> list[TextLine]:
        """The lines of ``page`` (height, width, RGB), by their places on it once it is turned upright."""
        picture, boxes = upright(Image.fromarray(page), self._models)
        crops = [cut(picture, box) for box in boxes]
        found = []
        for box, (text, confidence) in zip(boxes, self._read(crops), strict=True):
            is_read = (
                confidence >= _LEAST_SURE and _has_length_of(box, text) and not has_unknown_letters(text)
            )
            corners = tuple((float(x), float(y)) for x, y in box.corners)
            found.append(TextLine(corners, text.strip() if is_read else "", confidence))
        return without_doubtful(found)

    def _read(self, crops: Sequence[Image.Image]) -> list[tuple[str, float]]:
        """Text and confidence of each crop. Crops of about the same width are read together."""
        found = [("", 0.0)] * len(crops)
        order = sorted(range(len(crops)), key=lambda each: crops[each].width)
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            width = max(_NARROWEST, *(crops[each].width for each in batch))
            pixels = np.zeros((len(batch), 3, HEIGHT, width), np.float32)
            for row, each in enumerate(batch):
                line = np.asarray(crops[each], np.float32) / 127.5 - 1
                pixels[row, :, :, : crops[each].width] = line.transpose(2, 0, 1)[::-1]
            (answers,) = self._models.recognition.run(None, {"x": pixels})
            for each, answer in zip(batch, answers, strict=True):
                found[each] = self._text(answer)
        return found

    def _text(self, answer: NDArray[np.float32]) -> tuple[str, float]:
        """The best path (CTC): of a character in a row one is meant, and 0 stands between equal ones."""
        best = answer.argmax(axis=1)
        kept = best != 0
        kept[1:] &= best[1:] != best[:-1]
        text = _plain("".join(self._models.characters[index] for index in best[kept]))
        return text, float(answer.max(axis=1)[kept].mean()) if text else 0.0


def _has_length_of(box: Rectangle, text: str) -> bool:
    """Whether ``text`` has about as many characters as have room: scripts that the model lacks yield few."""
    long, high = max(box.width, box.height), min(box.width, box.height)
    return bool(text.strip()) and len(text) >= _FEWEST_CHARACTERS * (long / high - _SHORT)


def _plain(text: str) -> str:
    """``text`` with plain digits for circled ones, and plain punctuation for wide one in Latin text."""
    text = text.translate(_CIRCLED)
    return text if _CHINESE.search(text) else text.translate(_WIDE)
