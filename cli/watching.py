"""``aegis jobs watch``: jobs followed to their end, or the newest ones shown anew."""

import sys
from collections.abc import Sequence
from itertools import islice
from time import sleep

from rich.console import Console
from rich.live import Live

from cli.client import FINAL, Client
from cli.following import followed
from cli.job_views import JOBS, progress, subject
from cli.tables import table_of
from rag.errors import AegisError, Forbidden, Transient, Unauthenticated
from rag.jsontypes import Json
from rag.printable import one_line

_LOOK_SECONDS = 2.0


def follow_all(client: Client, job_ids: Sequence[str]) -> list[AegisError]:
    """Why some did not succeed; each one's end is printed. Transient when nothing is heard of a job.

    A key that is not let in, or may not, ends all of it.
    """
    console = Console(highlight=False)
    errors: list[AegisError] = []
    for job_id in job_ids:
        try:
            followed(client, console, job_id)
        except (Transient, Unauthenticated, Forbidden):
            raise
        except AegisError as error:
            print(one_line(f"aegis: {error}"), file=sys.stderr)
            errors.append(error)
        else:
            print(one_line(f"{job_id} succeeded"))
    return errors


def watch_list(client: Client, state: str | None, limit: int) -> None:
    """Until Ctrl-C: the table on a terminal, a line for each change elsewhere."""
    console = Console(highlight=False)
    if not console.is_terminal:
        _print_changes(client, state, limit)
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            jobs = list(islice(client.all_jobs(state=state), limit))
            live.update(table_of(jobs, JOBS, console.width) if jobs else JOBS.none, refresh=True)
            sleep(_LOOK_SECONDS)


def _print_changes(client: Client, state: str | None, limit: int) -> None:
    before: dict[str, str] = {}
    while True:
        jobs = list(islice(client.all_jobs(state=state), limit))
        now = {job["id"]: _line(job) for job in reversed(jobs)}
        for job_id, line in now.items():
            if before.get(job_id) != line:
                print(line, flush=True)
        before = now
        sleep(_LOOK_SECONDS)


def _line(job: Json) -> str:
    at = "" if job["state"] in FINAL else f"{job['stage']} {progress(job)}"
    return one_line(" ".join(filter(None, (job["id"], job["kind"], job["state"], at.strip(), subject(job)))))
