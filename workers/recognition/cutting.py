"""Cuts lines out of a page for the models that read one line."""

import numpy as np
from PIL import Image

from workers.recognition.geometry import Rectangle

HEIGHT = 48  # pixels of a line, as the models take it
UPRIGHT = 1.5
"""Times the width: a rectangle as high holds a line that runs up or down."""

_WIDEST = 3_200


def cut(page: Image.Image, box: Rectangle) -> Image.Image:
    """The line in ``box``, turned level, in the height that the model takes."""
    corners = box.corners
    across, down = box.width, box.height
    if down >= UPRIGHT * across:  # a line that runs up or down
        corners, across, down = np.roll(corners, -1, axis=0), down, across
    quad = [float(number) for corner in corners[[0, 3, 2, 1]] for number in corner]
    size = (max(1, round(across)), max(1, round(down)))
    line = page.transform(size, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)
    width = min(_WIDEST, max(8, round(HEIGHT * across / down)))
    return line.resize((width, HEIGHT), Image.Resampling.BILINEAR)
