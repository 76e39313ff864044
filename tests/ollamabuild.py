"""A real Ollama server for the tests, built once with the Go toolchain: ``python -m tests.ollamabuild``.

The module's zip leaves out three libraries that its C++ includes by header alone (Go puts no
folder named vendor into a zip), so their headers come from packages that carry them.
"""

import hashlib
import os
import platform
import shutil
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.building import BUILD_SECONDS, NotBuildableError, locked, run_build

VERSION = "0.24.0"
CACHE = "OLLAMA_BUILD_DIR"
"""Environment variable that names another folder to keep the build in."""


@dataclass(frozen=True, slots=True)
class Headers:
    """A package's file, and the folder in it whose headers go to ``include/name``."""

    requirement: str
    file: str
    sha256: str
    folder: str
    name: str


HEADERS = (
    Headers(
        "nlohmann-json==3.12.0",
        "nlohmann_json-3.12.0-py3-none-any.whl",
        "5f6132720fb25d0d70bf0742f8397b49a540dcc193e7312a914f6aa49f054810",
        "nlohmann_json/include/nlohmann",
        "nlohmann",
    ),
    Headers(
        "miniaudio==1.71",
        "miniaudio-1.71.tar.gz",
        "ff51e2887bb673e2e757752b586b3dc924d59aa5fbcae9bbc45f4a111bd3262b",
        "miniaudio-1.71/miniaudio",
        "miniaudio",
    ),
    Headers(
        "libstb==0.8.0",
        "libstb-0.8.0.tar.gz",
        "dc51a22f4eec2f06e09104bc15869e07373ecc83056a2355cacd177f30a657d8",
        "libstb-0.8.0/src/third_party/stb",
        "stb",
    ),
)


def ollama_binary() -> Path:
    """The program, built unless it is there. Safe to ask for at once from several processes."""
    binary = _place()
    if binary.exists():
        return binary
    folder = binary.parent
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        if not binary.exists():
            _build(folder, binary)
    return binary


def patience() -> float:
    """Seconds that a test may take which may have to wait for the build."""
    return 180.0 if _place().exists() else BUILD_SECONDS


def _place() -> Path:
    folder = Path(os.environ.get(CACHE) or Path.home() / f".cache/aegis-rag/ollama-{VERSION}")
    return folder / "ollama"


def _build(folder: Path, binary: Path) -> None:
    for tool in ("go", "c++"):
        if shutil.which(tool) is None:
            raise NotBuildableError(f"{tool} is not here, which an Ollama server is built with")
    include = folder / "include"
    with TemporaryDirectory(prefix="ollama-") as scratch:
        for headers in HEADERS:
            _gather(headers, Path(scratch), include / headers.name)
        flags = _flags(include)
        environment = {**os.environ, "GOBIN": scratch, "CGO_ENABLED": "1", **flags}
        module = f"github.com/ollama/ollama@v{VERSION}"
        run_build(["go", "install", "-trimpath", module], Path(scratch), environment)
        half = binary.with_suffix(".half")
        shutil.copy2(Path(scratch) / "ollama", half)
        half.rename(binary)


def _flags(include: Path) -> dict[str, str]:
    """Without the processor's vector instructions a prompt takes ten times as long to read."""
    vectors = "-march=x86-64-v3" if _has_avx2() else ""
    compiler = f"-O2 {vectors}".strip()
    return {"CGO_CPPFLAGS": f"-I{include}", "CGO_CFLAGS": compiler, "CGO_CXXFLAGS": compiler}


def _has_avx2() -> bool:
    facts = Path("/proc/cpuinfo")
    return platform.machine() == "x86_64" and facts.exists() and " avx2 " in facts.read_text()


def _gather(headers: Headers, scratch: Path, target: Path) -> None:
    command = [*_pip(), "download", "--no-deps", "--dest", str(scratch)]
    form = ["--only-binary", ":all:"] if headers.file.endswith(".whl") else ["--no-binary", ":all:"]
    run_build([*command, *form, headers.requirement], scratch, dict(os.environ))
    archive = scratch / headers.file
    if hashlib.sha256(archive.read_bytes()).hexdigest() != headers.sha256:
        raise NotBuildableError(f"{headers.file} is not the file whose sha256 is known")
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(scratch)
    else:
        with tarfile.open(archive) as opened:
            opened.extractall(scratch, filter="data")
    shutil.copytree(scratch / headers.folder, target, dirs_exist_ok=True)


def _pip() -> list[str]:
    """Of this environment, or else whichever is on the path: files are only downloaded with it."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    if found is None:
        raise NotBuildableError("pip is not here, which an Ollama server's headers are downloaded with")
    return [found]


if __name__ == "__main__":
    sys.stdout.write(f"{ollama_binary()}\n")
