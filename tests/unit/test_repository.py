"""What must hold of the repository itself."""

import re
import subprocess
import tomllib
from base64 import b64encode
from hashlib import sha256, sha384
from pathlib import Path

import pytest

from rag.settings.__main__ import reference_page

ROOT = Path(__file__).resolve().parents[2]
PEERS_LOCK = ROOT / "bench" / "peers" / "requirements.txt"
LOCKS = sorted([ROOT / "requirements.lock", PEERS_LOCK, *(ROOT / "deploy" / "locks").rglob("*.lock")])
MODEL_FILES = {".onnx", ".gguf", ".safetensors", ".bin", ".pt", ".npz", ".npy", ".whl", ".so"}
LARGEST_BYTES = 1_000_000
VENDOR = ROOT / "api" / "static" / "vendor"
VENDORED = {  # SHA-256 of the files as they are in swagger-ui-dist 5.35.0
    "swagger-ui/LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "swagger-ui/NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "swagger-ui/swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui/swagger-ui-bundle.js.LICENSE.txt": (
        "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb"
    ),
    "swagger-ui/swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}

_INDEX = re.compile(r"https?://[^\s\"')]*(pypi|pythonhosted|/simple\b)|--(extra-)?index-url[ =]http", re.I)
_ONE_MACHINE = re.compile(r"(?<![\w.~:/-])/(home|Users|root|work|workspace)/\w")


def _files() -> list[Path]:
    """What git would carry; everything that is not hidden where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        return [path for path in ROOT.rglob("*") if path.is_file() and "/." not in path.as_posix()]
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def _texts() -> list[tuple[str, str]]:
    found = []
    for path in _files():
        try:
            found.append((path.relative_to(ROOT).as_posix(), path.read_text("utf-8")))
        except UnicodeDecodeError:  # a picture or a font
            continue
    return found


def _pinned(lock: Path) -> dict[str, set[str]]:
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9][\w.-]*)==([^\s;]+)", lock.read_text(), re.M):
        pins.setdefault(name, set()).add(version)
    return pins


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_is_pinned_with_hashes(lock: Path) -> None:
    entries = lock.read_text().replace("\\\n", " ").splitlines()

    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9][\w.-]*==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


def test_no_lock_repeats_what_the_product_brings() -> None:
    product = _pinned(ROOT / "requirements.lock")

    for name in ("dev", "smollm2"):
        assert not product.keys() & _pinned(ROOT / "deploy" / "locks" / f"{name}.lock").keys()


def test_exact_pins_of_the_project_are_what_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["smollm2"],
        *project["dependency-groups"]["dev"],
        *project["dependency-groups"]["install"],
    ]
    locked: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, versions in _pinned(lock).items():
            locked.setdefault(name, set()).update(versions)

    for requirement in asked:
        exact = re.fullmatch(r"([\w.-]+)(?:\[.*\])?==(\S+)", requirement)
        name = re.split(r"[\[<>=~!;\s]", requirement, maxsplit=1)[0].lower()
        assert name in locked, f"{requirement} is not locked: make lock"
        if exact:
            assert exact[2] in locked[name], f"{requirement} is locked at {locked[name]}: make lock"


def test_no_package_index_is_named() -> None:
    assert [name for name, text in _texts() if _INDEX.search(text)] == []


def test_no_path_of_somebodys_machine_is_named() -> None:
    assert [(name, hit[0]) for name, text in _texts() if (hit := _ONE_MACHINE.search(text))] == []


def test_no_models_and_nothing_large() -> None:
    ours = [path for path in _files() if VENDOR not in path.parents]
    offenders = [path for path in ours if path.suffix in MODEL_FILES or path.stat().st_size > LARGEST_BYTES]

    assert offenders == []


def test_what_is_vendored_is_as_it_was_released() -> None:
    there = {path.relative_to(VENDOR).as_posix(): path for path in VENDOR.rglob("*") if path.is_file()}

    assert {name: sha256(path.read_bytes()).hexdigest() for name, path in there.items()} == VENDORED


def test_the_page_names_the_digests_of_what_it_loads() -> None:
    page = (VENDOR.parent / "docs.html").read_text("utf-8")
    named = dict(re.findall(r'(?:href|src)="/console/vendor/([^"]+)"\s+integrity="sha384-([^"]+)"', page))

    assert named.keys() == {"swagger-ui/swagger-ui-bundle.js", "swagger-ui/swagger-ui.css"}
    for name, digest in named.items():
        assert b64encode(sha384((VENDOR / name).read_bytes()).digest()).decode() == digest


def test_the_settings_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")

    assert page == reference_page(), "python -m rag.settings > docs/reference/settings.md"


def test_the_scripts_can_be_run() -> None:
    scripts = [ROOT / ".ci" / name for name in ("run", "with-docker", "with-tools")]
    for script in (*scripts, *(ROOT / "deploy").rglob("*.sh")):
        assert script.stat().st_mode & 0o111, script


def test_every_proof_of_a_guarantee_is_there() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))

    assert named
    assert {name for name in named if not (ROOT / name).is_file()} == set()
