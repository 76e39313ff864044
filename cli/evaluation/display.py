"""Prints a run: its figures, then tables by kind of question."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Grid

from bench.figures import Figure, show
from cli.evaluation.run import Run
from cli.evaluation.significance import Difference
from cli.evaluation.summary import ALL, summaries
from cli.evaluation.tables import Table, differences_table, tables_of, variants_table
from cli.tables.printing import shown
from cli.units import many

LIMITS: Mapping[str, tuple[float, bool]] = {
    "mrr": (0.88, True),
    "recall": (0.97, True),
    "answered": (0.75, True),
    "refused": (0.90, True),
    "falsely_refused": (0.10, False),
}
"""What the product must reach on SQuAD, and whether more is better."""

_LINES_SHOWN = 10


def show_runs(console: Console, runs: Sequence[Run], changes: Sequence[Difference] | None = None) -> None:
    """Print the first run, which has the defaults, then how the others differ from it.

    ``changes``: from an earlier run; None where none was named.
    """
    run = runs[0]
    counts = f"{many(len(run.scores), 'question')} about {many(run.documents, 'document')}"
    console.print(f"{counts}: {shown(run.name)}", soft_wrap=True)
    show(figures(run), console)
    for table in tables_of(run):
        _show_table(console, table)
    if len(runs) > 1:
        _show_table(console, variants_table(runs))
    if changes:
        _show_table(console, differences_table(changes))
    elif changes is not None:
        console.print("The earlier run has no question in common with this one, so nothing is compared.")
    if run.unread:
        console.print(f"[red]{many(len(run.unread), 'document')} could not be ingested:[/red]")
        for line in run.unread[:_LINES_SHOWN]:
            console.print(f"  {shown(line)}", soft_wrap=True)
    if run.site:
        names = ", ".join(run.collections[:_LINES_SHOWN])
        console.print(f"The documents stay at {shown(run.site)}, in {names}", soft_wrap=True)


def figures(run: Run) -> dict[str, Figure]:
    """The figures over all questions; those with a limit have it where the dataset is SQuAD's kind."""
    whole = summaries(run.scores)[ALL]
    measured = {
        "mrr": (whole.mrr, "MRR@10"),
        "ndcg": (whole.ndcg, "nDCG@10"),
        "recall": (whole.recall, "recall@10"),
        "in_hits": (whole.in_hits, "of what is needed is in ten hits"),
        "in_first": (whole.in_first, "of what is needed is in the first hit"),
        "answered": (whole.in_answer, "of what is needed is in the answer"),
        "right": (whole.right, "of the questions: right, or rightly turned away"),
        "words": (whole.words, "words an answer"),
        "refused": (whole.refused, "of the questions without an answer"),
        "falsely_refused": (whole.falsely_refused, "of the questions with an answer"),
        "page": (whole.page, "of the questions with a known page"),
        "query_p50_ms": (whole.p50, "ms a question, asked alone"),
        "query_p95_ms": (whole.p95, "ms a question, asked alone"),
        "ingest": (run.passages_per_second, "passages/s"),
    }
    limits = LIMITS if run.has_limits else {}
    return {
        name: Figure(value, unit, *limits.get(name, (None, False)))
        for name, (value, unit) in measured.items()
        if value is not None
    }


def _show_table(console: Console, table: Table) -> None:
    grid = Grid(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(table.head):
        grid.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*map(shown, row))
    console.print(grid)
