"""The program of the process that parses files as ``workers.cutting`` does, and recognises pictures of text.

The models are loaded once, before children are forked; the children compute in it with one thread each.
"""

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rag.parsing import fork_server
from workers.cutting import chunker
from workers.recognition.models import open_models
from workers.recognition.ppocr import PaddleRecogniser


def recogniser() -> PaddleRecogniser:
    """A recogniser that has run once: what it loads at its first page, a confined child could not."""
    made = PaddleRecogniser(open_models())
    page = Image.new("RGB", (600, 300), "white")
    ImageDraw.Draw(page).text((50, 100), "Recognised once", "black", ImageFont.load_default(40))
    made.recognise(np.asarray(page))
    return made


if __name__ == "__main__":
    fork_server.main(chunker, recogniser)
    sys.exit(0)
