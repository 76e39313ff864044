"""The locks of the images divide requirements.lock, and each part finds in its image what it imports."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "deploy/locks/images"
IMAGES = {
    "api": ("common", "api"),
    "beat": ("common", "beat"),
    "flower": ("common", "flower"),
    "worker": ("common", "api", "worker"),
}
"""The locks of each image, as deploy/docker/Dockerfile puts them on top of each other."""

PARTS = {
    "api": (
        "cli.supervisor.container", "api.server", "api.main", "cli.main", "cli.commands.doctor",
        "cli.commands.keys", "cli.commands.config", "cli.commands.jobs", "cli.commands.ask",
        "cli.commands.ingest",
    ),
    "beat": (
        "cli.supervisor.container", "celery.__main__", "celery.bin.celery", "beat.main", "beat.scheduler",
    ),
    "flower": ("cli.supervisor.container", "cli.supervisor.flower"),
}  # fmt: skip
"""What the programs in a lean image import."""

_ENTRY = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)(.*(?:\n    --hash=.*)+)", re.MULTILINE)


def locked(path: Path) -> dict[tuple[str, str], set[str]]:
    """The hashes of each name and version."""
    return {
        (name, version): set(re.findall(r"sha256:[0-9a-f]{64}", rest))
        for name, version, rest in _ENTRY.findall(path.read_text("utf-8"))
    }


EVERYTHING = locked(ROOT / "requirements.lock")


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.lock")), ids=lambda path: path.stem)
def test_a_lock_has_the_versions_and_hashes_of_requirements_lock(path: Path) -> None:
    entries = locked(path)

    assert entries
    assert entries.items() <= EVERYTHING.items()
    assert all(entries.values())


def test_together_they_are_the_whole() -> None:
    parts = [locked(LOCKS / f"{name}.lock") for name in (*IMAGES["worker"], "model")]

    assert sum(map(len, parts)) == len(EVERYTHING), "a package is in two of them"
    assert set().union(*parts) == set(EVERYTHING)


@pytest.mark.parametrize("image", PARTS)
def test_each_lean_image_has_what_its_part_imports(image: str, tmp_path: Path) -> None:
    for lock in IMAGES[image]:
        for name, _ in locked(LOCKS / f"{lock}.lock"):
            _link(name, tmp_path)

    code = f"import importlib\nfor name in {PARTS[image]!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "AEGIS_HOME": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def _link(name: str, folder: Path) -> None:
    """Make the package importable from ``folder``, unless this platform has no need of it."""
    try:
        files = distribution(name).files or []
    except ModuleNotFoundError:
        return
    for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
        there = Path(str(distribution(name).locate_file(top)))
        if not (folder / top).exists():
            (folder / top).symlink_to(there)
