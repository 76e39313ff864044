"""Opens built models in onnxruntime."""

import os
from pathlib import Path

# By default onnxruntime writes an id of this machine to ~/.cache and reports to its maker what it runs.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

CLS = 101
SEP = 102


def open_runtime(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A session that computes on the calling thread.

    Several threads may call it at once. It has no threads of its own, so children forked from
    the process that opened it can use it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it would keep a memory plan for every length of text
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )
