"""The program of the process that parses files as ``workers.cutting`` does, and recognises pictures of text.

The models are loaded once, before children are forked; the children compute in it with one thread each.
"""

import sys

import numpy as np

from rag.parsing import fork_server
from workers.cutting import chunker
from workers.recognition.models import open_models
from workers.recognition.ppocr import PaddleRecogniser


def recogniser() -> PaddleRecogniser:
    """A recogniser that has run once: what it loads at its first page, a confined child could not."""
    made = PaddleRecogniser(open_models())
    page = np.full((736, 736, 3), 255, np.uint8)
    page[300:330, 100:600:4] = 0
    made.recognise(page)
    return made


if __name__ == "__main__":
    fork_server.main(chunker, recogniser)
    sys.exit(0)
