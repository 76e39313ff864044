"""A job followed to its end on the terminal: a line for each stage that is done, a bar for the next."""

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

from cli.call import Call
from cli.client import Client
from cli.figures import duration
from cli.job_views import IN_BYTES
from cli.printing import shown
from rag.errors import AegisError, Transient, Unavailable
from rag.jsontypes import Json


def show_end(
    call: Call, client: Client, submitted: Json, words: Callable[[Json], str], *, wait: bool
) -> None:
    """Follow the job that was handed in and print its result, as data or in ``words``; or only its id."""
    console = Console(highlight=False, stderr=not call.for_people)
    result = followed(client, console, submitted["job_id"]) if wait else submitted
    if not call.for_people:
        call.show_one(result, lambda _: ())
    else:
        console.print(words(result) if wait else f"job {shown(submitted['job_id'])}")


def followed(client: Client, console: Console, job_id: str) -> Json:
    """The job's result. AegisError when it does not succeed, or nothing is heard of it for five minutes."""
    try:
        job = _ended(client, console, job_id)
    except Transient as error:
        raise Unavailable(
            f"nothing was heard of job {job_id} for a while, which may go on: {error}\n"
            f"look by `aegis jobs {job_id}`"
        ) from error
    if job["state"] == "succeeded":
        result: Json = job["result"]
        return result
    problem = job["error"] or {}
    raise AegisError(f"job {job_id} ended as {job['state']}: {problem.get('detail', 'no reason given')}")


def _ended(client: Client, console: Console, job_id: str) -> Json:
    """The job when it is over; its events are shown until then."""
    in_bytes = client.job(job_id)["kind"] in IN_BYTES
    with _Stages(console, in_bytes=in_bytes) as stages:
        for kind, data in client.events(job_id):
            stages.hear(kind, data)
        job = client.finished(job_id)
        if job["state"] == "succeeded":
            stages.end()
        return job


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

    def hear(self, kind: str, data: Json) -> None:
        """An event of the job."""
        if kind == "state":
            self._at(shown(data["stage"]), waiting=data["state"] == "queued")
        elif kind == "progress":
            total = data["total"] or None
            self._bar.update(self._task, completed=data["done"], total=total, refresh=True)

    def end(self) -> None:
        """Tell what the present stage took, as far as one saw it."""
        if self._stage is not None:
            took = duration(monotonic() - self._began)
            self._bar.console.print(f"  [green]✓[/] {self._stage:<10} [dim]{took}[/]")

    def _at(self, stage: str, *, waiting: bool) -> None:
        if stage != self._stage:
            self.end()
            self._stage, self._began = stage, monotonic()
            self._bar.remove_task(self._task)  # one that is reset keeps its total
            self._task = self._bar.add_task(stage, total=None)
        self._bar.update(self._task, description=f"{stage}{' (queued)' * waiting}")


def _columns(*, in_bytes: bool) -> tuple[ProgressColumn, ...]:
    begin = (TextColumn("{task.description}"), BarColumn())
    if in_bytes:
        return *begin, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    return *begin, MofNCompleteColumn(), TimeElapsedColumn()
