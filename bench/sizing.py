"""What each part takes, idle and at work: ``python -m bench.sizing``. Linux only.

Work is told in seconds of a processor for one piece of it, which another load on the machine hardly changes,
unlike the time that it takes. docs/deploy/sizing.md has the results.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter, sleep
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.library import Library
from bench.loads import COUNT, Work, work
from bench.parts import Memory, Parts, started
from rag.redis.connection import connect
from rag.settings import Settings
from workers.tools import Tools

OUT = Path("bench/out/sizing.json")
SETTLE_SECONDS = 10.0
IDLE_SECONDS = 30.0
PASSAGES, TOKENS = 10, 128  # passages of a document; tokens of a passage of usual length
POINTS, TOLD_POINTS = 30_000, 100_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """Megabytes by part, ``idle`` and at most; ``rest``: processors' seconds a second of each idle part.

    ``stored``: megabytes in the broker, the engine and on the disk, by what is stored.
    """

    idle: Mapping[str, Memory]
    busiest: Mapping[str, float]
    rest: Mapping[str, float]
    works: Mapping[str, Work]
    stored: Mapping[str, float]


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the work.")] = False,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = OUT,
) -> None:
    """Measure, print tables, write the figures."""
    console = Console(width=150)
    with (
        tempfile.TemporaryDirectory(prefix="aegis-sizing-") as scratch,
        started(Path(scratch), {"API_WORKERS": "1"}) as parts,
    ):
        share = 0.1 if quick else 1.0
        sizes = _measure(parts, share, console)
        _write(sizes, out)
        _show(sizes, console)
        stored = _vectors(parts, int(POINTS * share))
        _write(replace(sizes, stored={**sizes.stored, **stored}), out)
    _show_stored(stored, console)


def _measure(parts: Parts, share: float, console: Console) -> Sizes:
    sleep(SETTLE_SECONDS)
    rest, idle = _rest(parts), parts.memory()
    settings = Settings(aegis_home=parts.home)
    with parts.watched() as busiest, connect(settings) as redis:
        works = work(parts, redis, share, rest, lambda name: console.print(f"{name} …"))
    stored = {f"broker, {COUNT} of: {name}": each.stored_mb for name, each in works.items()}
    stored |= {f"broker, events of {COUNT} of: {name}": each.events_mb for name, each in works.items()}
    return Sizes(idle, busiest, rest, works, stored)


def _rest(parts: Parts) -> dict[str, float]:
    begun, before = perf_counter(), parts.processor_seconds()
    sleep(IDLE_SECONDS)
    passed = perf_counter() - begun
    return {name: (now - before[name]) / passed for name, now in parts.processor_seconds().items()}


def _vectors(parts: Parts, points: int) -> dict[str, float]:
    """Megabytes of the embedded engine and of its files, by ``points`` passages, for TOLD_POINTS of them."""
    engine = next(part for part in parts.parts if part.name == "vectors")
    folder = parts.home / "vectors"
    before, files = engine.memory(), _size_mb(folder)
    library = Library("sizing-vectors", points // PASSAGES, PASSAGES, TOKENS)
    library.put(Tools(Settings(aegis_home=parts.home)))
    sleep(SETTLE_SECONDS)
    after, each = engine.memory(), TOLD_POINTS / points
    return {
        f"vectors, {TOLD_POINTS} passages, own memory": (after.own - before.own) * each,
        f"vectors, {TOLD_POINTS} passages, mapped files": (after.files - before.files) * each,
        f"vectors, {TOLD_POINTS} passages, on disk": (_size_mb(folder) - files) * each,
    }


def _write(sizes: Sizes, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(asdict(sizes), indent=2) + "\n", "utf-8")


def _size_mb(folder: Path) -> float:
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file()) / 1e6


def _show(sizes: Sizes, console: Console) -> None:
    table = Table(
        "part", "idle MB", "mapped MB", "busiest MB", "idle ms/s", *(f"{name}, ms" for name in sizes.works)
    )
    for name, memory in sizes.idle.items():
        row = (memory.own, memory.files, sizes.busiest[name])
        times = (1000 * sizes.rest[name], *(1000 * each.seconds[name] for each in sizes.works.values()))
        table.add_row(name, *(f"{figure:.0f}" for figure in row), *(f"{figure:.2f}" for figure in times))
    table.add_row("all", "", "", "", "", *(f"{1000 * each.total:.1f}" for each in sizes.works.values()))
    table.add_row("a second", "", "", "", "", *(f"{each.rate:.2f}" for each in sizes.works.values()))
    console.print(table)
    _show_stored(sizes.stored, console)


def _show_stored(stored: Mapping[str, float], console: Console) -> None:
    for name, megabytes in stored.items():
        console.print(f"{name}: {megabytes:.1f} MB")


if __name__ == "__main__":
    typer.run(main)
