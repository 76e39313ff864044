"""The page of quality gets its tables from runs, and keeps the rest."""

from pathlib import Path

from cli.evaluation.run import Run
from cli.evaluation.scoring import Score, Verdict
from tests.quality import BEGIN, END, PAGE, drawing, write


def scored(kind: str, verdict: Verdict) -> Score:
    return Score("1", kind, "q", "e", verdict, answerable=True, reciprocal_rank=0.5, seconds=0.1)


RUN = Run("a|b", "0.2.0", 1, (scored("x", Verdict.RIGHT), scored("y", Verdict.REFUSED)))


def test_a_run_is_a_row_and_its_kinds_are_a_table() -> None:
    lines = drawing([RUN]).splitlines()

    assert "| a\\|b | 2 | .500 | .000 | 1.000 | – | – | .500 | – | .500 | 100 / 100 |" in lines
    assert sum(line.startswith("| x | 1 ") for line in lines) == 1


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "quality.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")

    write([RUN], page)
    write([RUN], page)

    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "old" not in text
    assert text.count("a\\|b |") == 1


def test_the_page_has_the_marks() -> None:
    text = PAGE.read_text("utf-8")

    assert text.count(BEGIN) == text.count(END) == 1
