"""``aegis jobs watch``: follows jobs to their end, or shows the newest ones again and again."""

import sys
from collections.abc import Sequence
from itertools import islice
from time import sleep

from rich.console import Console
from rich.live import Live

from cli.client.client import FINAL, Client
from cli.commands.follow import follow
from cli.tables.jobs import JOBS, progress, subject
from cli.tables.tables import table_of
from rag.errors import AegisError, Forbidden, Transient, Unauthenticated
from rag.system.printable import one_line
from rag.web.jsontypes import Json

_LOOK_SECONDS = 2.0


def follow_all(client: Client, job_ids: Sequence[str]) -> list[AegisError]:
    """Print each job's end; the errors of those that did not succeed.

    Raises Transient when nothing is heard of a job, and errors about the API key.
    """
    console = Console(highlight=False)
    errors: list[AegisError] = []
    for job_id in job_ids:
        try:
            follow(client, console, job_id)
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
        before: dict[str, str] = {}
        while True:
            jobs = list(islice(client.all_jobs(state=state), limit))
            now = {job["id"]: _line(job) for job in reversed(jobs)}
            for job_id, line in now.items():
                if before.get(job_id) != line:
                    print(line, flush=True)
            before = now
            sleep(_LOOK_SECONDS)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            jobs = list(islice(client.all_jobs(state=state), limit))
            live.update(table_of(jobs, JOBS, console.width) if jobs else JOBS.none, refresh=True)
            sleep(_LOOK_SECONDS)


def _line(job: Json) -> str:
    stage = "" if job["state"] in FINAL else f"{job['stage']} {progress(job)}"
    facts = (job["id"], job["kind"], job["state"], stage.strip(), subject(job))
    return one_line(" ".join(filter(None, facts)))
