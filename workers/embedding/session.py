"""Runs the built model in onnxruntime: token ids in, vectors out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.model import Vector

# By default onnxruntime writes an id of this machine to ~/.cache and reports to its maker what it runs.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

CLS = 101
SEP = 102


@dataclass(frozen=True, slots=True)
class Session:
    """An onnxruntime session that computes on the calling thread.

    Several threads may call it at once. It has no threads of its own, so children forked from
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
    options.enable_mem_pattern = False  # it would keep a memory plan for every length of text
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return Session(
        onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    )
