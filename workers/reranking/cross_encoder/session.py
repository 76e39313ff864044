"""Runs the built cross-encoder: a pair in, its logit out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workers.bundled.session import open_runtime
from workers.reranking.cross_encoder.pairs import Pair

if TYPE_CHECKING:  # only workers.bundled.session may load it: that turns its telemetry off first
    import onnxruntime


@dataclass(frozen=True, slots=True)
class Session:
    """Computes on the calling thread; see :func:`workers.bundled.session.open_runtime`.

    One pair a call: activations are scaled over everything in a call, so in a batch a pair's logit would
    depend on its neighbours and on their padding.
    """

    runtime: "onnxruntime.InferenceSession"

    def logit(self, pair: Pair) -> float:
        kinds = np.zeros(len(pair.ids), dtype=np.int64)
        kinds[pair.second :] = 1
        (logit,) = self.runtime.run(["logit"], {"ids": np.array([pair.ids], np.int64), "kinds": kinds[None]})
        return float(logit.item())


def open_session(model: Path | bytes) -> Session:
    return Session(open_runtime(model))
