"""One measurement, and the file that keeps it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from cli.evaluation.readers.reading import read_bytes
from cli.evaluation.scoring import Score
from cli.evaluation.summary import summaries
from rag.errors import ConfigurationError

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Run:
    """The scores of one dataset on one stack.

    Attributes:
        name: of the dataset.
        variant: how the stack differed from its defaults; "" where it did not.
        release: of the API.
        site: the API's address, where it stays after the run; else "".
        collections: their names at the API.
        unread: a line for each document that could not be ingested.
        passages_per_second: of the ingestion; None where the documents were there already.
        fault: why nothing was measured; then there are no scores.
        has_limits: whether the figures are those that the product must reach.
    """

    name: str
    release: str
    documents: int
    scores: tuple[Score, ...]
    variant: str = ""
    site: str = ""
    collections: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    passages_per_second: float | None = None
    has_limits: bool = False
    fault: str = ""
    format: Literal[1] = FORMAT


_RUNS = TypeAdapter(list[Run])


def write_runs(runs: Sequence[Run], path: Path) -> None:
    """The runs as JSON, each with its figures by kind. ConfigurationError when the file cannot be written."""
    written = [
        {**asdict(run), "figures": {kind: asdict(each) for kind, each in summaries(run.scores).items()}}
        for run in runs
    ]
    write_text(path, f"{json.dumps(written, ensure_ascii=False, indent=1)}\n")


def read_runs(path: Path) -> list[Run]:
    """What :func:`write_runs` wrote: the defaults first. ConfigurationError for anything else."""
    try:
        runs = _RUNS.validate_json(read_bytes(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigurationError(
            f"{path} is no file that `aegis eval --json` of this release wrote "
            f"({'.'.join(map(str, first['loc']))}: {first['msg']})"
        ) from error
    if not runs:
        raise ConfigurationError(f"{path} holds no run")
    return runs


def check_writable(path: Path) -> None:
    """ConfigurationError when no file can be written there, so that no measurement is made in vain."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path} cannot be written: its folder must be there")


def write_text(path: Path, text: str) -> None:
    """ConfigurationError when the file cannot be written."""
    try:
        path.write_text(text, "utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error
