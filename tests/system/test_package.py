"""Aegis installed as README says, in an environment and for a user that know nothing of a checkout.

About two minutes on two free cores: one to install and to build the model, one for two stacks.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.chaos.requirements import missing
from tests.readme import ROOT, block_with
from tests.system.running import UNSCHEDULED, free_port, until

pytestmark = pytest.mark.timeout(900)

_LARGEST_MB = 900
_SHOWN = re.compile(
    r"aegis: (fetching|building|built|projecting|comparing) |Aegis RAG  starting in |  [✓■] |ready in |"
    r"  (API|Console|API pages|Flower|Logs) |Ctrl-C stops everything|\d+ of \d+ documents|stopping, in order|"
    r"[╭│╰]|\[\d\] |    \S|\s*$"
)
"""How each line that a demonstration prints begins: what a part complains of begins otherwise."""


@dataclass(frozen=True, slots=True)
class Installed:
    """``user``: the home folder of somebody who has only this."""

    program: Path
    environment: Path
    user: Path
    variables: Mapping[str, str]

    def folder(self, name: str) -> Path:
        folder = self.user / name
        folder.mkdir(exist_ok=True)
        return folder

    def run(self, folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.program, *arguments],
            cwd=folder,
            env={**self.variables, "COLUMNS": "200", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )

    @property
    def megabytes(self) -> float:
        """On disk; a file with several names counts once, as each is written once."""
        files = {(status.st_dev, status.st_ino): status for status in map(os.lstat, _files(self.environment))}
        return sum(512 * status.st_blocks for status in files.values()) / 1e6


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """By README's line, with nothing of this environment in the way."""
    with TemporaryDirectory(prefix="aegis-package-") as scratch:
        base = Path(scratch)
        for name in ("uv", "user"):
            (base / name).mkdir()
        (base / "uv" / "uv").symlink_to(_uv())
        variables = {
            **{name: value for name, value in os.environ.items() if _of_the_machine(name)},
            "PATH": os.pathsep.join([str(base / "uv"), "/usr/local/bin", "/usr/bin", "/bin"]),
            "UV_TOOL_DIR": str(base / "tools"),
            "UV_TOOL_BIN_DIR": str(base / "bin"),
            "UV_PYTHON": sys.executable,
            "UV_CACHE_DIR": _cache(),
        }
        _install(variables)
        user = {"HOME": str(base / "user"), "API_PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
        yield Installed(
            base / "bin" / "aegis", base / "tools", base / "user", {**variables, **UNSCHEDULED, **user}
        )


def _install(variables: Mapping[str, str]) -> None:
    line, *_ = block_with("uv tool install").splitlines()
    done = subprocess.run(
        line, shell=True, cwd=ROOT, env=dict(variables), capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"a package index that uv reaches: {done.stderr}")


def _of_the_machine(name: str) -> bool:
    """How it reaches a package index, and where temporary files go."""
    return name.startswith(("UV_", "SSL_", "LANG", "LC_", "TMPDIR")) or name.lower().endswith("_proxy")


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    return found or missing("uv")


def _cache() -> str:
    told = subprocess.run([_uv(), "cache", "dir"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_the_demonstration_needs_no_set_up_no_checkout_and_prints_no_warning(installed: Installed) -> None:
    """In a folder with packages of the same names as ours."""
    folder = installed.folder("project")
    for name in ("api", "cli", "tasks", "rag"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('this is not Aegis')")

    shown = installed.run(folder, "demo", "--once")

    assert shown.returncode == 0, shown.stdout
    assert "built all-MiniLM-L6-v2" in shown.stdout
    assert "[1] 5. The embedded vector engine has a process of its own" in shown.stdout
    assert [line for line in shown.stdout.splitlines() if not _SHOWN.match(line)] == []
    assert sorted(path.name for path in folder.iterdir()) == ["api", "cli", "rag", "tasks"]
    assert installed.megabytes < _LARGEST_MB


def test_a_stack_is_found_from_every_folder(installed: Installed) -> None:
    """Commands are given no address: the stack is known by where it was recorded."""
    here, there = installed.folder("here"), installed.folder("there")
    unaddressed = {name: value for name, value in installed.variables.items() if not name.endswith("_PORT")}
    command = Installed(installed.program, installed.environment, installed.user, unaddressed)
    output = installed.user / "printed.txt"
    with output.open("wb") as printed:
        stack = subprocess.Popen(
            [installed.program, "up"], cwd=here, env=dict(installed.variables), stdout=printed, stderr=printed
        )
    try:
        until(lambda: "Ctrl-C stops everything." in output.read_text() or stack.poll() is not None, 500)
        before = sorted(installed.user.rglob("*"))
        url = f"http://127.0.0.1:{installed.variables['API_PORT']}"
        health = httpx.get(f"{url}/health/ready", timeout=30)
        pages = [httpx.get(f"{url}{path}", timeout=30).status_code for path in ("/", "/docs")]
        doctor = command.run(there, "doctor")
        jobs = command.run(there, "jobs")
        second = command.run(there, "up")
    finally:
        stack.send_signal(signal.SIGINT)
        ended = stack.wait(60)

    home = installed.user / ".local" / "share" / "aegis-rag"
    assert health.status_code == 200, output.read_text()
    assert pages == [200, 200]
    assert doctor.returncode == 0, doctor.stdout
    assert f"{url} answers, every component is ready" in doctor.stdout
    if sys.platform == "linux":
        assert f"{home} (a stack runs in it)" in doctor.stdout
    assert jobs.returncode == 0, jobs.stdout
    assert second.returncode == 1
    assert "is running in" in second.stdout
    assert not [path for path in there.rglob("*") if path not in before]
    assert ended == 0, output.read_text()


def test_a_look_without_a_stack_makes_nothing_and_says_which_one_it_missed(
    installed: Installed, tmp_path: Path
) -> None:
    nobody, folder = tmp_path / "nobody", tmp_path / "folder"
    nobody.mkdir()
    folder.mkdir()

    doctor = installed.run(folder, "doctor", HOME=str(nobody))
    jobs = installed.run(folder, "jobs", HOME=str(nobody))

    assert doctor.returncode == 0, doctor.stdout
    assert jobs.returncode == 3
    assert f"is the stack in {nobody}" in jobs.stdout
    assert list(nobody.rglob("*")) == list(folder.rglob("*")) == []
