"""The files of the models PP-OCRv6 (Apache-2.0), which the wheel ``rapidocr`` carries. Its code is not used.

That code asks for OpenCV, Shapely and more, 200 MB together, so the locks install the wheel without them, and
:func:`fetch` does where there are no locks.
"""

from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rag.errors import ModelError
from workers.packages import install

DISTRIBUTION = "rapidocr"
REQUIREMENT = f"{DISTRIBUTION}==3.10.0"
WHEEL_SHA256 = "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050"
INSTALL = f"`aegis setup` adds it, or `pip install --no-deps {REQUIREMENT}`"
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


def fetch(report: Callable[[str], None]) -> None:
    """Install the models into this environment, unless they are there. ``report`` takes a line about it.

    Raises ModelError where they cannot be fetched.
    """
    if not is_installed():
        report("fetching the models of text recognition (27 MB), once")
        install(REQUIREMENT, WHEEL_SHA256, "text recognition")


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
