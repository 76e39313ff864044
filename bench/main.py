"""``make bench``: the figures that the contract names, as ratios measured in one run."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from time import sleep
from typing import Annotated

import typer
from rich.console import Console

from bench import (
    comparison,
    crowds,
    endurance,
    ingestion,
    picture,
    questions,
    recovery,
    searching,
    submission,
)
from bench.client import Caller
from bench.corpus import Corpus, of_file, python_topics
from bench.figures import Figure, show, write
from bench.machine import describe_machine
from bench.servers import running_qdrant
from bench.stack import Stack, started
from rag.errors import Unavailable
from rag.settings import load
from workers.tools import Tools

OUT = Path("bench/out/latest.json")
SETTLE_SECONDS = 3.0
QUICK_READ, READ = 300, 900
"""Documents that are ingested while others read of them: some seconds of work, five times."""

COMPARED_PARAGRAPHS, COMPARED_CHAPTERS = 300, 3
ROOM = {"MAX_OPEN_QUERIES": "10000", "MAX_CONNECTIONS": "2000"}
"""Submits are measured without waiting for the jobs, so that many are open at once, and by 500 clients of one
address, which may have half of the connections."""

Figures = dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Extent:
    """``quick``: a fifth of the work, without peers. ``large``: 500,000 points and 100,000 jobs too."""

    quick: bool = False
    large: bool = False

    def some(self, quick: int, usual: int) -> int:
        return quick if self.quick else usual

    @property
    def jobs(self) -> int:
        return endurance.MANY_JOBS if self.large else self.some(endurance.FEW_JOBS, endurance.SOME_JOBS)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A fifth of the work, without peers.")] = False,
    large: Annotated[
        bool, typer.Option("--large", help="500,000 points and 100,000 jobs too, which takes an hour.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="A file of articles for `aegis eval`, as the corpus.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the figures go; the picture lies beside them.")] = OUT,
) -> None:
    """Measure, print a table, write the figures and a picture of them."""
    console, extent = Console(), Extent(quick, large)
    machine = describe_machine()
    console.print(machine)
    corpus = of_file(data) if data else python_topics()
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as scratch:
        figures = _measure_all(Path(scratch), corpus, extent, console)
        if not quick and comparison.can_compare():
            figures, peers = _compare(figures, corpus.documents, Path(scratch), console)
            if peers:
                _draw(figures, peers, machine, out.with_suffix(".svg"))
    write(figures, out, machine)
    show(figures, console)
    console.print(f"{corpus.name}; figures in {out}")


def _measure_all(scratch: Path, corpus: Corpus, extent: Extent, console: Console) -> Figures:
    home = scratch / "home"
    with started(home):
        pass  # the first start makes files that later ones find
    with started(home, ROOM) as stack:
        figures = _measure(stack, corpus, extent, console)
    console.print("searching …")
    figures |= searching.measure(scratch / "search", console.print, quick=extent.quick, large=extent.large)
    console.print("losing everything but the backups …")
    return figures | recovery.measure(scratch, quick=extent.quick)


def _measure(stack: Stack, corpus: Corpus, extent: Extent, console: Console) -> Figures:
    sleep(SETTLE_SECONDS)
    figures = {
        "ready_s": Figure(stack.ready_seconds, "s", 15.0),
        "idle_rss_mb": Figure(stack.memory_mb(), "MB, shared pages once"),
    }
    caller, tools = Caller(stack.url), Tools(load())
    documents = corpus.documents[:6] if extent.quick else corpus.documents
    paragraphs = ingestion.paragraphs_of(documents)
    console.print("ingesting …")
    rounds = ingestion.measure(caller, tools, documents, "bench")
    figures |= ingestion.figures(rounds)
    figures |= ingestion.measure_paragraphs(caller, tools, paragraphs, "bench-paragraphs")
    console.print("asking …")
    count = extent.some(60, 300)
    idle = questions.one_after_another(caller, corpus.questions, count, "bench")
    with questions.bulk_ingestion(caller, documents, "bench-bulk"):
        sleep(SETTLE_SECONDS)
        loaded = questions.one_after_another(caller, corpus.questions, count, "bench")
    figures |= questions.figures(idle, loaded)
    return figures | _measure_crowds(stack, caller, paragraphs, extent, console)


def _measure_crowds(
    stack: Stack, caller: Caller, paragraphs: Sequence[str], extent: Extent, console: Console
) -> Figures:
    """Whatever has many clients or many jobs. Submits come last, since their jobs are not waited for."""
    console.print("reading events …")
    texts = list(islice(cycle(paragraphs), extent.some(QUICK_READ, READ)))
    figures = crowds.measure_readers(stack, caller, texts, "bench-readers")
    console.print(f"doing {extent.jobs:,} jobs …")
    figures |= endurance.measure(stack, caller, extent.jobs, "bench-jobs")
    console.print("submitting …")
    figures |= submission.measure(stack.url, "bench", extent.some(200, 1000))
    return figures | crowds.measure_submits(stack.url, "bench", extent.some(500, 2000))


def _compare(
    figures: Figures, documents: Sequence[str], scratch: Path, console: Console
) -> tuple[Figures, list[comparison.Peer]]:
    """The figures beside those of other libraries; as they were, without peers, where these cannot run."""
    console.print("comparing …")
    paragraphs = ingestion.paragraphs_of(documents)[:COMPARED_PARAGRAPHS]
    texts = {comparison.PARAGRAPHS: paragraphs, comparison.CHAPTERS: documents[:COMPARED_CHAPTERS]}
    tools = Tools(load())
    with _qdrant_url(scratch / "qdrant") as url:
        try:
            peers = comparison.measure_peers(tools, texts, scratch / "peers", console.print, url)
        except Unavailable as error:
            console.print(f"[red]no peers: {error}[/red]")
            return figures, []
        if url:
            figures |= _measure_with_qdrant(tools, paragraphs, scratch / "qdrant-home", url)
    return comparison.add_peers(figures, peers), peers


@contextmanager
def _qdrant_url(folder: Path) -> Iterator[str | None]:
    """Of a server of the program that QDRANT_BIN names, until the block ends; None where it is not set."""
    program = os.environ.get("QDRANT_BIN")
    if not program:
        yield None
        return
    with running_qdrant(Path(program), folder) as url:
        yield url


def _measure_with_qdrant(tools: Tools, paragraphs: Sequence[str], home: Path, url: str) -> Figures:
    with started(home, {"QDRANT_URL": url}) as stack:
        caller = Caller(stack.url)
        caller.ingest_batch(["Nothing is loaded yet when the first document comes."], "bench-warm")
        return ingestion.measure_paragraphs(caller, tools, paragraphs, "bench", "qdrant_")


def _draw(figures: Figures, peers: Sequence[comparison.Peer], machine: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture.draw(picture.charts_of(figures, peers), machine), "utf-8")
