"""``aegis eval`` and the command line against a running stack, as a person uses them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.running import Stack, free_port
from tests.unit.cli.evaluation.questionfiles import (
    OWN,
    SQUAD,
    write_beir,
    write_cases,
    write_json,
    write_table,
)

FORMS: dict[str, tuple[Callable[[Path], Path], dict[str, str]]] = {
    "articles": (
        lambda path: write_json(path, OWN),
        {"mrr": "1", "recall": "1", "answered": "1", "right": "1", "refused": "1"},
    ),
    "squad": (
        lambda path: write_json(path, SQUAD),
        {"mrr": "1", "ndcg": "1", "recall": "1", "answered": "1", "falsely_refused": "0"},
    ),
    "beir": (write_beir, {"mrr": "1", "ndcg": "1", "recall": "1"}),
    "table": (write_table, {"mrr": "1", "answered": "1", "right": "1", "refused": "1"}),
    "cases": (write_cases, {"in_hits": "1", "answered": "1", "right": "1", "refused": "1"}),
}
"""By form: what makes a small set, and the figures that it has."""


def aegis(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env={**stack.environment, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


@pytest.mark.parametrize("form", FORMS)
def test_eval_prints_the_figures_of_every_form(stack: Stack, tmp_path: Path, form: str) -> None:
    make, figures = FORMS[form]

    done = aegis(stack, "eval", str(make(tmp_path / form)), "--url", stack.url)

    assert done.returncode == 0, done.stderr
    for figure, value in figures.items():
        row = next(line for line in done.stdout.splitlines() if f" {figure} " in line)
        assert f" {value} " in row, row


def test_a_run_is_kept_reported_and_compared_with_another(stack: Stack, tmp_path: Path) -> None:
    cases, kept, page = write_cases(tmp_path / "cases"), tmp_path / "run.json", tmp_path / "run.html"
    there = ("--url", stack.url)

    first = aegis(stack, "eval", str(cases), *there, "--json", str(kept), "--report", str(page))
    second = aegis(stack, "eval", str(cases), *there, "--compare", str(kept), "--ablate")

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert f'href="{stack.url}/console/document.html#collection=eval-harbour-' in page.read_text("utf-8")
    compared = [line for line in second.stdout.splitlines() if " right " in line and "+0.000" in line]
    assert [line.split()[-1] for line in compared] == ["1.0000"]
    assert "answered from the first passage alone" in second.stdout


def test_eval_starts_a_stack_of_its_own(tmp_path: Path, stack: Stack) -> None:
    done = aegis(stack, "eval", str(write_json(tmp_path / "own.json", OWN)))

    assert done.returncode == 0, done.stderr
    assert " mrr " in done.stdout
    assert "stay at" not in done.stdout


def test_eval_of_an_address_where_nobody_is_ends_with_one_line(stack: Stack, tmp_path: Path) -> None:
    file = write_json(tmp_path / "own.json", OWN)

    done = aegis(stack, "eval", str(file), "--url", f"http://127.0.0.1:{free_port()}")

    assert done.returncode == 3
    assert len(done.stderr.strip().splitlines()) == 1
    assert "aegis up" in done.stderr


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
