"""``aegis eval`` and the command line against a running stack, as a person uses them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.running import Stack

ARTICLES = {
    "Harbour": (
        "The harbour bell of Lindenau rings twice at noon.",
        "How often does the bell ring?",
        "twice",
    ),
    "Aqueduct": ("Clara Weiss finished the aqueduct in 1874.", "Who finished the aqueduct?", "Clara Weiss"),
}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    articles = [
        {"title": title, "paragraphs": [{"text": text, "questions": [{"question": q, "answers": [a]}]}]}
        for title, (text, q, a) in ARTICLES.items()
    ]
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"articles": articles}), "utf-8")
    return path


def aegis(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env={**stack.environment, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_eval_prints_the_figures_of_a_file(stack: Stack, questions: Path) -> None:
    done = aegis(stack, "eval", str(questions), "--url", stack.url)

    assert done.returncode == 0, done.stderr
    for figure, value in {"mrr": "1", "recall": "1", "answered": "1", "refused": "1"}.items():
        row = next(line for line in done.stdout.splitlines() if f" {figure} " in line)
        assert f" {value} " in row, row


def test_files_are_ingested_listed_and_asked_about(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "lamp.md").write_text("# Lamp\n\nThe lamp of the lighthouse is violet.\n", "utf-8")

    first = aegis(stack, "ingest", str(tmp_path), "--collection", "cli")
    again = aegis(stack, "ingest", str(tmp_path), "--collection", "cli")
    listed = aegis(stack, "documents", "--collection", "cli", "--json")
    asked = aegis(stack, "ask", "Which colour is the lamp?", "--collection", "cli")

    assert first.returncode == 0, first.stderr
    assert "1 unchanged" in again.stdout
    assert [document["document_id"] for document in json.loads(listed.stdout)] == ["lamp.md"]
    assert "violet" in asked.stdout
    assert "[1]" in asked.stdout


def test_doctor_finds_a_running_stack_in_order(stack: Stack) -> None:
    done = aegis(stack, "doctor")

    assert done.returncode == 0, done.stdout
