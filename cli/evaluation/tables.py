"""The tables of a run, as cells of text: what the terminal, the report and the documentation show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cli.evaluation.run import Run
from cli.evaluation.scoring import Verdict
from cli.evaluation.significance import Difference
from cli.evaluation.summary import ALL, Summary, summaries

_NONE = "–"

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The first column is of names, the others are of figures."""

    title: str
    head: Row
    rows: tuple[Row, ...]


def tables_of(run: Run) -> list[Table]:
    """Retrieval, answers, refusals, their reasons; without those of which nothing was measured."""
    found = summaries(run.scores)
    tables = (_retrieval(found), _answers(found), _refusals(found), _reasons(found[ALL]))
    return [without_empty(table) for table in tables if table.rows]


def without_empty(table: Table) -> Table:
    """The table without columns in which nothing is."""
    kept = [at for at in range(len(table.head)) if any(row[at] != _NONE for row in table.rows)]
    rows = (tuple(row[at] for at in kept) for row in table.rows)
    return Table(table.title, tuple(table.head[at] for at in kept), tuple(rows))


def differences_table(differences: Sequence[Difference]) -> Table:
    """A star stands behind a p-value under 0.05."""
    return Table(
        "Against the earlier run",
        ("kind", "measure", "questions", "earlier", "now", "difference", "95 % interval", "p"),
        tuple(
            (
                each.kind,
                each.measure,
                str(each.questions),
                _share(each.before),
                _share(each.after),
                f"{each.after - each.before:+.3f}",
                f"{each.low:+.3f} to {each.high:+.3f}",
                f"{each.p:.4f}{' *' if each.is_significant else ''}",
            )
            for each in differences
        ),
    )


def variants_table(runs: Sequence[Run]) -> Table:
    """The figures of each variant; the first run is that with the defaults."""
    names = ("MRR@10", "first", "in ten hits", "in answer", "right", "refused", "falsely refused", "p50 ms")
    rows: list[Row] = []
    for run in runs:
        if run.fault:
            rows.append((f"{run.variant}: not measured: {run.fault}", *(_NONE for _ in names)))
            continue
        whole = summaries(run.scores)[ALL]
        shares = (whole.mrr, whole.first, whole.in_hits, whole.in_answer, whole.right)
        refusals = (whole.refused, whole.falsely_refused)
        rows.append((run.variant or "defaults", *map(_share, (*shares, *refusals)), _number(whole.p50)))
    return without_empty(Table("Variants", ("variant", *names), tuple(rows)))


def _retrieval(found: Mapping[str, Summary]) -> Table:
    names = ("questions", "MRR@10", "nDCG@10", "recall@10", "first", "among ten")
    rows = (
        (kind, str(s.questions), *map(_share, (s.mrr, s.ndcg, s.recall, s.first, s.among_ten)))
        for kind, s in found.items()
        if s.mrr is not None
    )
    return Table("Retrieval", ("kind", *names), tuple(rows))


def _answers(found: Mapping[str, Summary]) -> Table:
    counted = (
        Verdict.RIGHT,
        Verdict.PARTLY,
        Verdict.WRONG,
        Verdict.REFUSED,
        Verdict.UNJUDGED,
        Verdict.FAILED,
    )
    rows = (
        (
            kind,
            *(str(s.count(verdict) or _NONE) for verdict in counted),
            *map(_share, (s.in_hits, s.in_first, s.in_answer, s.page)),
        )
        for kind, s in found.items()
        if s.falsely_refused is not None or s.count(Verdict.FAILED)
    )
    return Table(
        "Answers", ("kind", *counted, "in ten hits", "in first hit", "in answer", "page"), tuple(rows)
    )


def _refusals(found: Mapping[str, Summary]) -> Table:
    names = ("turned away", "answered all the same", "rightly refused", "falsely refused")
    rows = (
        (
            kind,
            str(s.count(Verdict.TURNED_AWAY) or _NONE),
            str(s.count(Verdict.ANSWERED) or _NONE),
            *map(_share, (s.refused, s.falsely_refused)),
        )
        for kind, s in found.items()
        if s.refused is not None or s.false_refusals
    )
    return Table("Refusals", ("kind", *names), tuple(rows))


def _reasons(whole: Summary) -> Table:
    rows = (
        (reason, str(whole.right_refusals.get(reason, 0)), str(whole.false_refusals.get(reason, 0)))
        for reason in sorted({*whole.right_refusals, *whole.false_refusals})
    )
    return Table("Why questions were refused", ("reason", "rightly", "falsely"), tuple(rows))


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.0f}"
