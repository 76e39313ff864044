"""Terminals that speak no UTF-8: marks fall back, nothing dies, and what is stored is what was sent."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.running import Stack, stack_in, until

pytestmark = pytest.mark.timeout(900)  # some thirty commands, each of which loads all that it needs

PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
TERMINALS = {
    "C": PLAIN_C,
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
}
COMMANDS = (
    ("jobs",),
    ("documents",),
    ("keys", "list"),
    ("dlq", "list"),
    ("backup", "list"),
    ("audit",),
    ("doctor",),
    ("doctor", "--help"),
)
SAID = "Die Brücke “Größe” – 40 m › trägt 12 Züge ✓"


def _aegis(stack: Stack, terminal: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env={**stack.environment, **TERMINALS[terminal], "COLUMNS": "200"},
        capture_output=True,
        check=False,
        timeout=180,
    )


@pytest.mark.parametrize("terminal", TERMINALS)
def test_every_command_speaks_to_a_terminal_without_utf_8(
    stack: Stack, tmp_path: Path, terminal: str
) -> None:
    (tmp_path / "bridge.txt").write_text(f"{SAID}. The bridge is forty metres long.", "utf-8")
    encoding = "latin-1" if terminal == "latin-1" else "ascii"

    ingested = _aegis(stack, terminal, "ingest", str(tmp_path / "bridge.txt"))
    asked = _aegis(stack, terminal, "ask", "How long is the bridge?")
    as_json = _aegis(stack, terminal, "ask", "How long is the bridge?", "--json")
    others = [_aegis(stack, terminal, *command) for command in COMMANDS]

    for done in (ingested, asked, as_json, *others):
        printed = (done.stdout + done.stderr).decode(encoding)
        assert done.returncode == 0, printed
        assert "Traceback" not in printed
    hits = json.loads(as_json.stdout)["hits"]
    assert any(SAID in hit["text"] for hit in hits)
    assert "ok ok" in others[-2].stdout.decode(encoding)  # the doctor's mark and word


def test_the_demonstration_runs_where_only_ascii_is_spoken(tmp_path: Path) -> None:
    home, docs = tmp_path / "home", tmp_path / "docs"
    home.mkdir()
    docs.mkdir()
    (docs / "bridge.md").write_text(f"# Brücke\n\n{SAID}. The bridge is forty metres long.\n", "utf-8")
    stack = stack_in(
        home, "demo", "--once", "--docs", str(docs), "--question", "How long is the bridge?", **PLAIN_C
    ).start()
    assert stack.process is not None

    assert stack.process.wait(240) == 0, stack.printed
    assert stack.printed.isascii()
    assert "ok broker" in stack.printed
    assert "forty metres" in stack.printed
    until(lambda: stack.processes() == [])
