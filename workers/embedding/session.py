"""The built model as something to call: ids to vectors."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.model import Vector

# As released, it notes an id of this machine in ~/.cache, and reports to its maker what it runs.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

CLS = 101
SEP = 102


@dataclass(frozen=True, slots=True)
class Session:
    """One onnxruntime session of one thread: it computes on the thread that calls it.

    Several threads may call at once. It holds no threads of its own, so a child forked from
    the process that opened it can use it.
    """

    runtime: onnxruntime.InferenceSession

    def run(self, ids: Sequence[int]) -> tuple[Vector, NDArray[np.float16]]:
        """``ids`` without special tokens to dense (384,) and token (len(ids), k) vectors."""
        framed = np.array([[CLS, *ids, SEP]], dtype=np.int64)
        dense, tokens = self.runtime.run(["dense", "tokens"], {"ids": framed})
        return dense[0], tokens[0]


def open_session(model: Path | bytes) -> Session:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it would keep a plan for every length of text
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return Session(
        onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    )
