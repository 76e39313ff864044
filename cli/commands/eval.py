"""``aegis eval``: measures how well a file of questions with known answers is answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from bench.client import Caller
from bench.figures import Figure, show
from bench.quality import Quality, measure, read
from bench.stack import started
from rag.errors import ConfigurationError

LIMITS = {
    "mrr": (0.88, True),
    "recall": (0.97, True),
    "answered": (0.75, True),
    "refused": (0.90, True),
    "falsely_refused": (0.10, False),
}
UNITS = {"mrr": "MRR@10", "recall": "recall@10", "words": "words an answer", "questions": "questions"}


def evaluate(
    file: Annotated[Path, typer.Argument(help="Articles, paragraphs, questions and answers as JSON.")],
    url: Annotated[
        str | None, typer.Option(help="A running stack; default: one of its own, gone after.")
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Questions of each kind at most.")] = None,
) -> None:
    """Ingest the paragraphs, ask the questions, print retrieval, answer and refusal figures."""
    if not file.is_file():
        raise ConfigurationError(f"{file} is not there")
    read(file)  # raises for a wrong file before a stack is started
    console = Console()
    with _stack(url) as address, console.status("ingesting and asking …"):
        quality = measure(file, Caller(address), sample=sample)
    show(figures(quality), console)


def figures(quality: Quality) -> dict[str, Figure]:
    found = {}
    for name in (field.name for field in fields(quality)):
        limit, more_is_better = LIMITS.get(name, (None, True))
        unit = UNITS.get(name, "of the questions")
        found[name] = Figure(getattr(quality, name), unit, limit, more_is_better)
    return found


@contextmanager
def _stack(url: str | None) -> Iterator[str]:
    if url is not None:
        httpx.get(f"{url}/health/ready").raise_for_status()
        yield url
        return
    with started() as stack:
        yield stack.url
