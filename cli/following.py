"""A job followed to its end on the terminal: a line for each stage that is done, a bar for the next."""

import json
from collections.abc import Callable
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cli.client import FINAL, Client
from cli.figures import duration
from rag.errors import AegisError
from rag.model import ABOUT_BACKUPS, Json

_LOOK_SECONDS = 0.5


def concluded(
    client: Client, submitted: Json, words: Callable[[Json], str], *, wait: bool, as_json: bool
) -> None:
    """Follow the job that was handed in and print its result, as JSON or in ``words``; or only its id."""
    console = Console(highlight=False, stderr=as_json)
    result = followed(client, console, submitted["job_id"]) if wait else submitted
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        console.print(words(result) if wait else f"job {submitted['job_id']}")


def followed(client: Client, console: Console, job_id: str) -> Json:
    """The job's result. AegisError when it does not succeed."""
    job = client.job(job_id)
    with _Stages(console, in_bytes=job["kind"] in ABOUT_BACKUPS) as stages:
        while job["state"] not in FINAL:
            stages.show(job)
            job = client.job(job_id, wait=_LOOK_SECONDS)
        if job["state"] == "succeeded":
            stages.end()
            result: Json = job["result"]
            return result
    error = job["error"] or {}
    raise AegisError(f"job {job_id} ended as {job['state']}: {error.get('detail', 'no reason given')}")


class _Stages:
    """Draws until the block ends."""

    def __init__(self, console: Console, *, in_bytes: bool) -> None:
        columns = _columns(in_bytes=in_bytes)
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("queued", total=None)
        self._stage: str | None = None
        self._began = monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, job: Json) -> None:
        if job["stage"] != self._stage:
            self.end()
            self._stage, self._began = job["stage"], monotonic()
            self._bar.reset(self._task, total=None)
        done, total = job["progress"]["done"], job["progress"]["total"] or None
        waiting = " (queued)" if job["state"] == "queued" else ""
        self._bar.update(self._task, description=f"{self._stage}{waiting}", completed=done, total=total)

    def end(self) -> None:
        """Tell what the present stage took, as far as one saw it."""
        if self._stage is not None:
            took = duration(monotonic() - self._began)
            self._bar.console.print(f"  [green]✓[/] {self._stage:<10} [dim]{took}[/]")


def _columns(*, in_bytes: bool) -> tuple[ProgressColumn, ...]:
    begin = (TextColumn("{task.description}"), BarColumn())
    if in_bytes:
        return *begin, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return *begin, MofNCompleteColumn(), TimeElapsedColumn()
