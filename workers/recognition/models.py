"""The models PP-OCRv6 (Apache-2.0), which the wheel ``rapidocr`` carries. Its code is not used.

That code asks for OpenCV, Shapely and more, 200 MB together, so the locks install the wheel without them.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rag.errors import ModelError

# By default onnxruntime writes an id of this machine to ~/.cache and reports to its maker what it runs.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

DISTRIBUTION = "rapidocr"
INSTALL = f"`pip install --no-deps {DISTRIBUTION}==3.10.0` adds it"
DETECTION = "PP-OCRv6_det_small.onnx"
RECOGNITION = "PP-OCRv6_rec_small.onnx"
ORIENTATION = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
SHA256 = {
    DETECTION: "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    RECOGNITION: "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    ORIENTATION: "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
}


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
    path = _model_file(name)
    if path is None:
        raise ModelError(f"text recognition is not installed: {INSTALL}")
    model = path.read_bytes()
    if sha256(model).hexdigest() != SHA256[name]:
        raise ModelError(f"{name} of the package {DISTRIBUTION} is not the released file: install it again")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def is_installed() -> bool:
    return _model_file(RECOGNITION) is not None


def _model_file(name: str) -> Path | None:
    """The path of a model; None where it is not installed."""
    try:
        path = Path(str(distribution(DISTRIBUTION).locate_file(f"rapidocr/models/{name}")))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None
