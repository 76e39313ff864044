"""Runs the built embedding model: token ids in, vectors out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rag.model import Vector
from workers.bundled.session import CLS, SEP, open_runtime

if TYPE_CHECKING:  # only workers.bundled.session may load it: that turns its telemetry off first
    import onnxruntime


@dataclass(frozen=True, slots=True)
class Session:
    """Computes on the calling thread; see :func:`workers.bundled.session.open_runtime`."""

    runtime: "onnxruntime.InferenceSession"

    def run(self, ids: Sequence[int]) -> tuple[Vector, NDArray[np.float16]]:
        """``ids`` without special tokens to dense (384,) and token (len(ids), k) vectors."""
        framed = np.array([[CLS, *ids, SEP]], dtype=np.int64)
        dense, tokens = self.runtime.run(["dense", "tokens"], {"ids": framed})
        return dense[0], tokens[0]


def open_session(model: Path | bytes) -> Session:
    return Session(open_runtime(model))
