"""A real Jaeger for the tests, built once with the Go toolchain: ``python -m tests.jaegerbuild``.

Its module replaces others, and ``go install`` refuses such a module. So a module of our own requires it, with
the same replacements. The build takes some five minutes of a processor.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.building import NotBuildableError, locked, run_build

VERSION = "1.76.0"
CACHE = "JAEGER_BUILD_DIR"
"""Environment variable that names another folder to keep the build in."""

_MODULE = "github.com/jaegertracing/jaeger"


def place() -> Path:
    """Where the program is once it is built."""
    folder = Path(os.environ.get(CACHE) or Path.home() / f".cache/aegis-rag/jaeger-{VERSION}")
    return folder / "jaeger"


def jaeger_binary() -> Path:
    """The program, built unless it is there. Raises NotBuildableError."""
    binary = place()
    binary.parent.mkdir(parents=True, exist_ok=True)
    with locked(binary.parent / ".lock"):
        if not binary.exists():
            _build(binary)
    return binary


def _build(binary: Path) -> None:
    if shutil.which("go") is None:
        raise NotBuildableError("go is not here, which Jaeger is built with")
    with TemporaryDirectory(prefix="jaeger-") as scratch:
        environment = {
            **os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -trimpath -buildvcs=false",
            "GOCACHE": f"{scratch}/cache",
        }  # fmt: skip
        said = run_build(
            ["go", "mod", "download", "-json", f"{_MODULE}@v{VERSION}"], Path(scratch), environment
        )
        own = Path(json.loads(said)["GoMod"]).read_text("utf-8").splitlines()
        kept = [line for line in own if line.startswith(("go ", "replace "))]
        lines = ["module build", *kept, f"require {_MODULE} v{VERSION}"]
        Path(scratch, "go.mod").write_text("\n".join(lines) + "\n")
        run_build(
            ["go", "build", "-ldflags", "-s -w", "-o", "jaeger", f"{_MODULE}/cmd/jaeger"],
            Path(scratch),
            environment,
        )
        half = binary.with_suffix(".half")
        shutil.copy2(Path(scratch, "jaeger"), half)
        half.rename(binary)


if __name__ == "__main__":
    sys.stdout.write(f"{jaeger_binary()}\n")
