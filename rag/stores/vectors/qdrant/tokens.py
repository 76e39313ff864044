"""Token vectors in a payload."""

from base64 import b64decode, b64encode

import numpy as np
from numpy.typing import NDArray

_FLOAT16 = np.dtype("<f2")


def encoded(tokens: NDArray[np.float16]) -> str:
    """Base64 of the numbers, little-endian, row by row."""
    return b64encode(tokens.astype(_FLOAT16).tobytes()).decode("ascii")


def decoded(text: str, dimension: int) -> NDArray[np.float16]:
    """The inverse of :func:`encoded`, of shape (tokens, ``dimension``)."""
    numbers = np.frombuffer(b64decode(text), _FLOAT16)
    return numbers.astype(np.float16, copy=False).reshape(-1, dimension)
