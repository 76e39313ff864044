"""Opens the models of text recognition in onnxruntime."""

import os
from dataclasses import dataclass

from workers.recognition.files import DETECTION, ORIENTATION, RECOGNITION, model_bytes

# By default onnxruntime writes an id of this machine to ~/.cache and reports to its maker what it runs.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime


@dataclass(frozen=True, slots=True)
class Models:
    """Sessions that compute on the calling thread, so children forked from this process can use them.

    ``characters``: those that the recognition model tells apart, by its indexes; "" at 0 stands for none.
    """

    detection: onnxruntime.InferenceSession
    recognition: onnxruntime.InferenceSession
    orientation: onnxruntime.InferenceSession
    characters: tuple[str, ...]


def open_models() -> Models:
    """Load the models. Raises ModelError where they are not installed or not those of the release."""
    detection, recognition, orientation = (_session(name) for name in (DETECTION, RECOGNITION, ORIENTATION))
    listed = recognition.get_modelmeta().custom_metadata_map["character"]
    return Models(detection, recognition, orientation, ("", *listed.splitlines(), " "))


def _session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it would keep a memory plan for every size of picture
    options.enable_cpu_mem_arena = False  # an arena keeps the most that any page took
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model_bytes(name), options, providers=["CPUExecutionProvider"])
