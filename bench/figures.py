"""The figures of a run, written as a file for programs and as a table for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table


@dataclass(frozen=True, slots=True)
class Figure:
    """``limit``: the highest allowed value (the lowest, where more is better); None: no limit.

    ``peers``: the same measure of alternatives, taken in the same run.
    """

    value: float
    unit: str
    limit: float | None = None
    more_is_better: bool = False
    peers: Mapping[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.more_is_better else self.value <= self.limit


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed (nearest rank). ValueError for none."""
    if not values:
        raise ValueError("no values were measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def write(figures: Mapping[str, Figure], path: Path, machine: str) -> None:
    """Write the figures by name, and under ``machine`` where they were taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = {name: {**asdict(figure), "value": round(figure.value, 4)} for name, figure in figures.items()}
    path.write_text(json.dumps({"machine": machine, **rounded}, indent=2) + "\n", "utf-8")


def show(figures: Mapping[str, Figure], console: Console) -> None:
    table = Table(Column("figure", no_wrap=True), "value", "unit", "limit", "peers")
    for name, figure in figures.items():
        bound = "" if figure.limit is None else f"{'≥' if figure.more_is_better else '≤'} {figure.limit:g}"
        peers = ", ".join(f"{peer} {value:.3g}" for peer, value in figure.peers.items())
        value = f"{figure.value:.3g}" if figure.met else f"[red]{figure.value:.3g}[/red]"
        table.add_row(name, value, figure.unit, bound, peers)
    console.print(table)
