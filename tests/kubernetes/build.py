"""The programs of a Kubernetes, built once and kept: ``python -m tests.kubernetes.build [NAME…]``.

Go modules come from the module proxy and are checked against Go's checksum database; etcd, containerd, runc
and the network plugins come from Debian packages, which are unpacked and not installed.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.building import NotBuildableError, locked, run_build
from tests.kubernetes.programs import (
    CONTROL_PLANE,
    DEBIAN,
    DEFINITIONS,
    NODE,
    PROGRAMS,
    STAGING,
    VERSION,
    Module,
)

CACHE = "KUBERNETES_BUILD_DIR"
"""Environment variable that names another folder to keep the programs in."""


_STAMP = (
    f"-X k8s.io/component-base/version.gitVersion=v{VERSION} "
    f"-X k8s.io/client-go/pkg/version.gitVersion=v{VERSION}"
)


def program(name: str) -> Path:
    """The program's file, built or unpacked unless it is there.

    Safe to ask for at once from several processes. Raises NotBuildableError for what cannot be had here.
    """
    if name in DEBIAN:
        return _unpacked(name)
    binary = folder() / "bin" / name
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder() / ".lock"):
            if not binary.exists():
                _build(name, binary)
    return binary


def all_built(names: Iterable[str]) -> bool:
    """Whether nothing of these would have to be built."""
    return all((folder() / "bin" / name).exists() for name in names)


def definitions() -> list[Path]:
    """Files of custom resource definitions: KEDA's, cert-manager's, Gateway API's, External Secrets'."""
    folders = [_downloaded(module, "Dir") / under for module, under in DEFINITIONS.items()]
    files = [path for each in folders for path in sorted(each.glob("*.yaml"))]
    return [path for path in files if path.name != "kustomization.yaml"]


def folder() -> Path:
    return Path(os.environ.get(CACHE) or Path.home() / f".cache/aegis-rag/kubernetes-{VERSION}")


# --- Go


def _build(name: str, binary: Path) -> None:
    """One build at a time, with a build cache of its own: it is some gigabytes, and of no use afterwards."""
    if shutil.which("go") is None:
        raise NotBuildableError(f"go is not here, which {name} is built with")
    wanted = PROGRAMS[name]
    with TemporaryDirectory(prefix="kubernetes-build-") as scratch:
        _write_module(wanted.module, Path(scratch))
        # All programs of the module at once, since most of the work is the same for all.
        names = _built_along(name)
        environment = {
            **os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -trimpath -buildvcs=false",
            "GOCACHE": f"{scratch}/cache",
        }  # fmt: skip
        for each in names:
            target = f"{scratch}/{each}"
            command = ["go", "build", "-ldflags", f"-s -w {_STAMP}", "-o", target, PROGRAMS[each].package]
            run_build(command, Path(scratch), environment)
            _keep(Path(target), binary.with_name(each))


def _built_along(name: str) -> list[str]:
    """The programs of the same part of a cluster and of the same module, ``name`` among them."""
    for tier in (CONTROL_PLANE, NODE):
        if name in tier:
            return [each for each in tier if tier[each].module == PROGRAMS[name].module]
    return [name]


def _write_module(module: Module, scratch: Path) -> None:
    replacements = [*module.replace, *(_staging(module) if module.staging else ())]
    lines = ["module build", f"go {module.go}"]
    lines += ["godebug default=go1.24"] if module.staging else []
    lines += [f"require {module.require}"] if module.require else []
    lines += [f"replace {each}" for each in replacements]
    (scratch / "go.mod").write_text("\n".join(lines) + "\n")
    if module.main:
        (scratch / "main.go").write_text(module.main)


def _staging(module: Module) -> list[str]:
    """The published libraries, in place of the folder that the zip of Kubernetes' module leaves out."""
    own = _downloaded(module.require.replace(" ", "@"), "GoMod").read_text()
    names = [line.split(" => ")[0].strip() for line in own.splitlines() if " => ./staging/" in line]
    return [f"{name} => {name} v{STAGING}" for name in names]


def _downloaded(module: str, what: str) -> Path:
    """A file or folder of a module in Go's module cache: ``what`` is a key of ``go mod download -json``."""
    if shutil.which("go") is None:
        raise NotBuildableError(f"go is not here, which {module} is fetched with")
    with TemporaryDirectory(prefix="kubernetes-module-") as scratch:
        environment = {**os.environ, "GOFLAGS": "-mod=mod"}
        said = run_build(["go", "mod", "download", "-json", module], Path(scratch), environment)
    return Path(json.loads(said)[what])


def _keep(made: Path, binary: Path) -> None:
    half = binary.with_suffix(".half")
    shutil.copy2(made, half)
    half.rename(binary)


# --- Debian


def _unpacked(name: str) -> Path:
    """The installed program, else that of the package, which is downloaded and unpacked."""
    if found := shutil.which(name):
        return Path(found)
    package, inside = DEBIAN[name]
    place = folder() / "debian" / package
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder() / ".lock"):
            if not place.exists():
                _unpack(package, place)
    return place / inside


def _unpack(package: str, place: Path) -> None:
    if shutil.which("apt-get") is None:
        raise NotBuildableError(f"apt-get is not here, which {package} is downloaded with")
    with TemporaryDirectory(prefix="kubernetes-debian-", dir=place.parent) as scratch:
        Path(scratch).chmod(0o755)  # apt downloads as a user of its own
        run_build(["apt-get", "download", package], Path(scratch), dict(os.environ))
        (archive,) = Path(scratch).glob("*.deb")
        run_build(["dpkg", "-x", str(archive), f"{scratch}/tree"], Path(scratch), dict(os.environ))
        Path(scratch, "tree").rename(place)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or [*CONTROL_PLANE, *NODE, *DEBIAN]:
        sys.stdout.write(f"{program(wanted)}\n")
