"""The scripts that pods of deploy/k8s run: checked by shellcheck, and what can be run here is run."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.requirements import missing
from tests.deploy.manifests import FOLDER, every_overlay, overlay
from tests.ollamabuild import ollama_binary
from tests.ollamaserver import CHAT, ollama_server

PULL = FOLDER / "components/ollama/pull.sh"


@pytest.mark.parametrize(
    "script", sorted(FOLDER.rglob("*.sh")), ids=lambda path: path.parent.name + "/" + path.name
)
def test_shellcheck_finds_nothing_in_a_script(script: Path) -> None:
    program = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    done = subprocess.run(
        [program or missing("shellcheck (make deployment-tools)"), str(script)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout


@every_overlay
def test_scripts_that_pods_run_are_those_that_were_checked(name: str) -> None:
    checked = {path.read_text() for path in FOLDER.rglob("*.sh")}
    scripts = [
        text
        for each in overlay(name).of("ConfigMap")
        for file, text in each["data"].items()
        if file.endswith(".sh")
    ]

    assert set(scripts) <= checked
    assert scripts or name == "embedded"


@pytest.fixture(scope="module")
def ollama(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a shell whose ``ollama`` is a real one that has the model CHAT, and no way outside."""
    with ollama_server():  # makes the models
        binary = ollama_binary()
    folder = tmp_path_factory.mktemp("ollama")
    (folder / "ollama").symlink_to(binary)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(folder),
        "OLLAMA_HOST": address,
        "OLLAMA_MODELS": str(binary.parent / "models"),
        "OLLAMA_NOPRUNE": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }


def pulled(environment: dict[str, str], model: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(PULL)],
        env={**environment, "OLLAMA_MODEL": model},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_model_that_is_there_is_asked_of_nobody(ollama: dict[str, str]) -> None:
    done = pulled(ollama, CHAT)

    assert done.returncode == 0, done.stderr
    assert "pulling" not in done.stderr


def test_without_the_model_the_server_does_not_start(ollama: dict[str, str]) -> None:
    """The pod's first container fails, so Kubernetes tries it again, and nobody is sent to this replica."""
    done = pulled(ollama, "not-there:1b")

    assert done.returncode != 0
    assert "pull model manifest" in done.stderr


@pytest.mark.parametrize(
    ("pod", "joins"),
    [("qdrant-0", []), ("qdrant-2", ["--bootstrap", "http://qdrant-0.qdrant-headless:6335"])],
)
def test_all_qdrant_nodes_but_the_first_join_it(pod: str, joins: list[str], tmp_path: Path) -> None:
    program = tmp_path / "qdrant"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        overlay("minimum").workload("qdrant").main["command"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOSTNAME": pod},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert done.stdout.split() == ["--uri", f"http://{pod}.qdrant-headless:6335", *joins]
