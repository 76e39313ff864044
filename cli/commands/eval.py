"""``aegis eval``: measures how well questions with known answers are answered."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from cli.client.client import Client
from cli.evaluation.ablation import DEFAULTS, measure_variant, variants
from cli.evaluation.display import show_runs
from cli.evaluation.measurement import Progress, measure
from cli.evaluation.model import Dataset
from cli.evaluation.readers.formats import read_all
from cli.evaluation.report import report as report_of
from cli.evaluation.run import Run, check_writable, read_runs, write_runs, write_text
from cli.evaluation.significance import differences
from cli.evaluation.stacks import own_stack, running


def evaluate(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Files or folders of questions with known answers."),
    ],
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A running API; default: a stack of its own, gone after."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="A running API and its key, of the profiles file.")
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Questions of each kind at most.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every question and answer as HTML.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write figures and answers as JSON.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What --json wrote earlier: test the difference.")
    ] = None,
    ablate: Annotated[
        bool,
        typer.Option("--ablate", help="Measure again with one part of the pipeline changed at a time."),
    ] = False,
) -> None:
    """Ingest documents, ask questions with known answers, print figures by kind of question.

    docs/reference/cli.md shows the forms: SQuAD, XQuAD, BEIR, a folder with questions.csv, cases.json.
    """
    dataset, earlier = read_all(paths), read_runs(compare)[0] if compare else None
    for file in (report, json_file):
        if file is not None:
            check_writable(file)
    with Console(stderr=True).status("starting") as status, TemporaryDirectory(prefix="aegis-eval-") as home:
        runs = _measure(dataset, _Place(url, profile, Path(home)), sample, status.update, ablate=ablate)
    changes = list(differences(earlier.scores, runs[0].scores)) if earlier else []
    if json_file is not None:
        write_runs(runs, json_file)
    if report is not None:
        write_text(report, report_of(runs[0], changes))
    show_runs(Console(highlight=False), runs, changes if earlier else None)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where is measured: at a running API, or by stacks of its own in ``home``."""

    url: str | None
    profile: str | None
    home: Path

    @property
    def is_own(self) -> bool:
        return not (self.url or self.profile)

    def stack(self, settings: Mapping[str, str]) -> AbstractContextManager[Client]:
        return own_stack(self.home, settings) if self.is_own else running(self.url, self.profile)


def _measure(
    dataset: Dataset, place: _Place, sample: int | None, progress: Progress, *, ablate: bool
) -> list[Run]:
    """The run with the defaults, then those of the variants."""
    with place.stack(DEFAULTS.settings) as client:
        first = measure(dataset, client, sample=sample, progress=progress)
        runs = [first if place.is_own else replace(first, site=client.url)]
    if ablate:
        runs += [
            measure_variant(dataset, variant, place.stack, sample=sample, progress=progress)
            for variant in variants(on_own_stack=place.is_own)
        ]
    return runs
