"""``make bench``: the figures that the contract names, as ratios measured in one run."""

import tempfile
from pathlib import Path
from time import sleep
from typing import Annotated

import typer
from rich.console import Console

from bench import ingestion, questions, recovery, submission
from bench.client import Caller
from bench.corpus import Corpus, of_file, python_topics
from bench.figures import Figure, show, write
from bench.stack import Stack, started
from rag.settings import load
from workers.tools import Tools

OUT = Path("bench/out/latest.json")
SETTLE_SECONDS = 3.0


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A fifth of the work.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="A file of articles for `aegis eval`, as the corpus.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = OUT,
) -> None:
    """Measure, print a table, write the figures."""
    console = Console()
    corpus = of_file(data) if data else python_topics()
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as scratch:
        home = Path(scratch) / "home"
        with started(home):
            pass  # the first start makes files that later ones find
        with started(home) as stack:
            figures = _measure(stack, corpus, quick=quick, console=console)
        console.print("losing everything but the backups …")
        figures |= recovery.measure(Path(scratch), quick=quick)
    write(figures, out)
    show(figures, console)
    console.print(f"{corpus.name}; figures in {out}")


def _measure(stack: Stack, corpus: Corpus, *, quick: bool, console: Console) -> dict[str, Figure]:
    sleep(SETTLE_SECONDS)
    figures = {
        "ready_s": Figure(stack.ready_seconds, "s", 15.0),
        "idle_rss_mb": Figure(stack.memory_mb(), "MB, shared pages once"),
    }
    caller, tools = Caller(stack.url), Tools(load())
    documents = corpus.documents[:6] if quick else corpus.documents
    console.print("ingesting …")
    rounds = ingestion.measure(caller, tools, documents, "bench")
    figures |= ingestion.figures(rounds)
    figures |= ingestion.measure_paragraphs(caller, tools, documents, "bench-paragraphs")
    console.print("asking …")
    count = 60 if quick else 300
    idle = questions.one_after_another(caller, corpus.questions, count, "bench")
    with questions.bulk_ingestion(caller, documents, "bench-bulk"):
        sleep(SETTLE_SECONDS)
        loaded = questions.one_after_another(caller, corpus.questions, count, "bench")
    figures |= questions.figures(idle, loaded)
    console.print("submitting …")
    return figures | submission.measure(stack.url, "bench", 200 if quick else 1000)
