"""The files of the models PP-OCRv6 (Apache-2.0), which the wheel ``rapidocr`` carries. Its code is not used.

That code asks for OpenCV, Shapely and more, 200 MB together, so the locks install the wheel without them.
"""

from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rag.errors import ModelError

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


def is_installed() -> bool:
    return all(_path_of(name) is not None for name in SHA256)


def model_bytes(name: str) -> bytes:
    """A model of the release. Raises ModelError where it is not installed, or is another file."""
    path = _path_of(name)
    if path is None:
        raise ModelError(f"text recognition is not installed: {INSTALL}")
    model = path.read_bytes()
    if sha256(model).hexdigest() != SHA256[name]:
        raise ModelError(f"{name} of the package {DISTRIBUTION} is not the released file: install it again")
    return model


def _path_of(name: str) -> Path | None:
    try:
        path = Path(str(distribution(DISTRIBUTION).locate_file(f"rapidocr/models/{name}")))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None
