"""The tables of ``docs/explanation/quality.md``, drawn from what ``aegis eval --json`` wrote.

``python -m tests.quality RUN.json…`` writes them into the page: a row for each run, then the kinds of every
run that has several. What stands between the marks is replaced as a whole.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from cli.evaluation.run import Run, read_runs
from cli.evaluation.summary import ALL, Summary, summaries

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "quality.md"
BEGIN, END = "<!-- figures: drawn by python -m tests.quality -->\n", "<!-- end of figures -->\n"
NAMES = (
    *("questions", "MRR@10", "first", "among ten", "in ten hits", "in answer"),
    *("right", "refused", "falsely refused", "p50 / p95 ms"),
)


def drawing(runs: Sequence[Run]) -> str:
    """The tables of ``runs`` as Markdown."""
    parts = [_table("set", ((run.name, summaries(run.scores)[ALL]) for run in runs))]
    for run in runs:
        if len(found := summaries(run.scores)) > 1:
            parts += [f"### By kind: {_cell(run.name)}", _table("kind", found.items())]
    return "\n\n".join(parts)


def write(runs: Sequence[Run], page: Path) -> None:
    """Draw the tables into the page, between its marks."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    drawn = f"{before}{BEGIN}\n{drawing(runs)}\n\n{END}{rest.partition(END)[2]}"
    page.write_text(drawn, "utf-8")


def _table(first: str, rows: Iterable[tuple[str, Summary]]) -> str:
    head = [_line(first, *NAMES), _line("---", *("--:" for _ in NAMES))]
    return "\n".join([*head, *(_line(_cell(name), *_figures(found)) for name, found in rows)])


def _figures(found: Summary) -> tuple[str, ...]:
    shares = (found.mrr, found.first, found.among_ten, found.in_hits, found.in_answer)
    refusals = (found.right, found.refused, found.falsely_refused)
    times = f"{found.p50:.0f} / {found.p95:.0f}" if found.p50 and found.p95 else "–"
    return (str(found.questions), *map(_share, (*shares, *refusals)), times)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """``text`` on one line, in which nothing ends the cell."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def main(*paths: str) -> int:
    write([read_runs(Path(path))[0] for path in paths], PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
