"""Reads PNG, JPEG, TIFF and WebP: each frame of a TIFF is a page. Pillow decodes them.

What a picture will take is known from its first bytes, so bombs are refused before they are decoded.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from types import MappingProxyType

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from rag import media
from rag.errors import DocumentTooLarge, NotRecognised, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.recognition import Picture, Recognition

MOST_PIXELS = 80_000_000
"""Of a picture: A4 at 900 dpi. It takes 240 MB while it is decoded."""

MOST_WITHIN = 100
"""Pictures of a document that are recognised."""

MOST_SHOWN = 3
"""Times: a picture that a document shows more often is a logo."""

_SMALLEST_AREA, _SMALLEST_SIDE = 10_000, 24  # pixels
_LONGEST_SIDE = 4_000
_MOST_FRAMES = 2_000
_FORMATS: Mapping[str, str] = MappingProxyType(
    {media.PNG: "PNG", media.JPEG: "JPEG", media.TIFF: "TIFF", media.WEBP: "WEBP"}
)
# Pillow imports a decoder when it meets its first file; a confined process can open no file by then.
_DECODERS = (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
_WITHIN = [*_FORMATS.values(), "GIF", "BMP"]
_BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError)


def picture(data: bytes, media_type: str, recognition: Recognition | None) -> ParsedDocument:
    """The text of a picture, recognised. Raises NotRecognised without ``recognition``.

    Raises DocumentTooLarge for huge pictures, UnreadableDocument for broken ones.
    """
    if recognition is None:
        raise NotRecognised("The picture was not read: text recognition (OCR) is off or not installed.")
    try:
        with Image.open(BytesIO(data), formats=[_FORMATS[media_type]]) as image:
            reading = recognition.read(_frames(image))
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except _BROKEN as error:
        raise UnreadableDocument(f"The picture is broken and cannot be read: {error}.") from error
    return reading.described(structure.from_pages(reading.texts()))


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, by the first bytes; None for what is no picture that can be decoded."""
    try:
        with Image.open(BytesIO(data), formats=_WITHIN) as image:
            return image.size
    except (*_BROKEN, Image.DecompressionBombError):
        return None


def is_icon(size: tuple[int, int]) -> bool:
    """Whether a picture of this width and height, in pixels, is too small to show words."""
    return size[0] * size[1] < _SMALLEST_AREA or min(size) < _SMALLEST_SIDE


def pixels_of(data: bytes) -> Picture:
    """The picture within a document, decoded; one white pixel for a broken or a huge one."""
    try:
        with Image.open(BytesIO(data), formats=_WITHIN) as image:
            if image.width * image.height <= MOST_PIXELS:
                return _pixels(image)
    except (*_BROKEN, Image.DecompressionBombError):
        pass
    return np.full((1, 1, 3), 255, np.uint8)


def _frames(image: Image.Image) -> Iterator[tuple[int, Callable[[], Picture]]]:
    for number in range(1, _MOST_FRAMES + 1):
        try:
            image.seek(number - 1)
        except EOFError:
            return
        if image.width * image.height > MOST_PIXELS:
            raise _too_large()
        yield number, partial(_pixels, image)


def _too_large() -> DocumentTooLarge:
    return DocumentTooLarge(f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels.")


def _pixels(image: Image.Image) -> Picture:
    """The frame upright, in RGB over white, at most _LONGEST_SIDE pixels long."""
    if image.format == "JPEG":
        image.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
    image.load()
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BILINEAR)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _of_depth(np.asarray(upright, np.float32))
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, "white")
        white.alpha_composite(upright.convert("RGBA"))
        upright = white
    return np.asarray(upright.convert("RGB"))


def _of_depth(grey: np.ndarray) -> Picture:
    """Grey of more than 8 bits, from its darkest to its lightest."""
    low, high = float(grey.min()), float(grey.max())
    scaled = (grey - low) * (255 / max(high - low, 1e-9))
    return np.repeat(scaled.astype(np.uint8)[:, :, None], 3, axis=2)
