"""Follows a job on the terminal: a line for each finished stage, a bar for the present one."""

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

from cli.client.client import Client, result_of
from cli.commands.call import Call
from cli.tables.jobs import IN_BYTES
from cli.tables.printing import shown
from cli.units import duration
from rag.errors import Transient, Unavailable
from rag.web.jsontypes import Json


def show_end(
    call: Call, client: Client, submitted: Json, words: Callable[[Json], str], *, wait: bool
) -> None:
    """Follow a submitted job and print its result, as data or in ``words``; without ``wait`` only its id."""
    console = Console(highlight=False, stderr=not call.for_people)
    result = follow(client, console, submitted["job_id"]) if wait else submitted
    if not call.for_people:
        call.show_one(result, lambda _: ())
    else:
        console.print(words(result) if wait else f"job {shown(submitted['job_id'])}")


def follow(client: Client, console: Console, job_id: str) -> Json:
    """The job's result; its stages are shown meanwhile.

    AegisError when it does not succeed, Unavailable when the API is silent for five minutes.
    """
    try:
        in_bytes = client.job(job_id)["kind"] in IN_BYTES
        with _Stages(console, in_bytes=in_bytes) as stages:
            for kind, data in client.events(job_id):
                stages.show_event(kind, data)
            job = client.wait_for_job(job_id)
            if job["state"] == "succeeded":
                stages.show_finished()
    except Transient as error:
        raise Unavailable(
            f"there was no news of job {job_id} for a while; it may go on: {error}\nsee `aegis jobs {job_id}`"
        ) from error
    return result_of(job, f"job {job_id}")


class _Stages:
    """The stages of one job; draws until the block ends."""

    def __init__(self, console: Console, *, in_bytes: bool) -> None:
        columns: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeElapsedColumn())
        if in_bytes:
            columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        columns = (TextColumn("{task.description}"), BarColumn(), *columns)
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("queued", total=None)
        self._stage: str | None = None
        self._began = monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show_event(self, kind: str, data: Json) -> None:
        if kind == "state":
            stage, queued = shown(data["stage"]), data["state"] == "queued"
            if stage != self._stage:
                self.show_finished()
                self._stage, self._began = stage, monotonic()
                self._bar.remove_task(self._task)  # one that is reset keeps its total
                self._task = self._bar.add_task(stage, total=None)
            self._bar.update(self._task, description=f"{stage}{' (queued)' * queued}")
        elif kind == "progress":
            total = data["total"] or None
            self._bar.update(self._task, completed=data["done"], total=total, refresh=True)

    def show_finished(self) -> None:
        """The present stage is over: print how long it took, as far as was seen."""
        if self._stage is not None:
            took = duration(monotonic() - self._began)
            self._bar.console.print(f"  [green]✓[/] {self._stage:<10} [dim]{took}[/]")
