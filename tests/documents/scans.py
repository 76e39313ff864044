"""Pictures of text, made as a scanner makes them: drawn, turned, with noise."""

from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from textwrap import wrap

import numpy as np
from PIL import Image, ImageFilter
from pypdfium2 import PdfDocument

from tests.documents.page import Line, written

ENGLISH = (
    "The harbour office publishes the tide tables on the first working day of each month. Vessels longer "
    "than 120 metres need a pilot from buoy No. 7 to the inner basin. Fees are due within 30 days: EUR "
    "1,250.00 for the first hour, EUR 312.50 after that. Invoice number 2026-04-1187 must be quoted with "
    "every payment (see section 4.2). Questions? Write to harbour.office@example.org or call +49 40 555-0199."
)
GERMAN = (
    "Die Hafenverwaltung veröffentlicht die Gezeitentafeln am ersten Werktag jedes Monats. Schiffe über 120 "
    "Meter benötigen einen Lotsen von Tonne Nr. 7 bis zum inneren Becken. Die Gebühren sind binnen 30 Tagen "
    "fällig: 1.250,00 EUR für die erste Stunde. Größere Änderungen müssen schriftlich beim Geschäftsführer "
    "beantragt werden (§ 12 Abs. 3). Die Pumpe fiel um 03:45 Uhr aus und wurde am 12. März 2026 ersetzt."
)
_WIDTH = 470  # points
_LEFT, _TOP = 60, 720


def page(text: str, dpi: int, *, columns: int = 1, points: int = 10) -> Image.Image:
    """A page with ``text`` in columns, in Helvetica."""
    width = _WIDTH / columns
    lines = wrap(text, int((width - 20) / (0.5 * points)))
    length = -(-len(lines) // columns)
    return _drawn(
        [
            (round(_LEFT + width * (at // length)), round(_TOP - 1.5 * points * (at % length)), points, line)
            for at, line in enumerate(lines)
        ],
        dpi,
    )


def table(rows: Sequence[Sequence[str]], dpi: int) -> Image.Image:
    """A page with a table without lines."""
    return _drawn(
        [
            (_LEFT + 150 * column, _TOP - 22 * row, 11, cell)
            for row, cells in enumerate(rows)
            for column, cell in enumerate(cells)
        ],
        dpi,
    )


def _drawn(lines: list[Line], dpi: int) -> Image.Image:
    escaped = [(x, y, size, text.replace("(", "\\(").replace(")", "\\)")) for x, y, size, text in lines]
    picture: Image.Image = PdfDocument(written([escaped]))[0].render(scale=dpi / 72).to_pil()
    return picture


def turned(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor="white")


def noisy(picture: Image.Image) -> Image.Image:
    """Grey with noise, and somewhat out of focus."""
    noise = np.random.default_rng(7).normal(0, 25, (picture.height, picture.width))
    grey = np.asarray(picture.convert("L"), np.float32) + noise
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The picture as a file of Pillow's format ``kind``."""
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def pdf_of(*pictures: Image.Image, dpi: int) -> bytes:
    """A PDF whose pages are these pictures."""
    return encoded(pictures[0], "PDF", resolution=dpi, save_all=True, append_images=pictures[1:])


def errors(expected: str, found: str) -> float:
    """The part of the characters that would have to be changed (Levenshtein), white space alike."""
    one, other = " ".join(expected.split()), " ".join(found.split())
    row = list(range(len(other) + 1))
    for at, character in enumerate(one, 1):
        following = [at]
        for place, (diagonal, above) in enumerate(pairwise(row)):
            following.append(min(above + 1, following[-1] + 1, diagonal + (character != other[place])))
        row = following
    return row[-1] / len(one)
