"""``aegis jobs``: list, show, cancel, retry and watch jobs, and find out why they wait."""

from functools import partial
from itertools import islice
from typing import Annotated

import typer

from cli.commands import ids
from cli.commands.batch import apply_to_each
from cli.commands.call import Call, asks_api, shows_data
from cli.shell.exits import status_of_all
from cli.shell.groups import ListByDefault, group
from cli.tables.jobs import JOBS, STUCK, job_page, stuck_page
from cli.tables.views import Format
from rag.system.printable import one_line

app = group(
    "List, show, cancel, retry and watch jobs; say why they wait. Without a command: list the newest.",
    cls=ListByDefault,
)

JobId = Annotated[str, typer.Argument(metavar="ID", help="Whole, or a beginning that no other job has.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID", help="Whole, or beginnings.")]


@app.command("list")
@shows_data
def list_jobs(
    call: Call,
    job_id: Annotated[str | None, typer.Argument(metavar="ID", help="One job, as JSON.")] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="Such as queued or failed; repeated: in any.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Such as ingest or query; repeated: of any.")] = None,
    collection: Annotated[str | None, typer.Option(help="Of one collection.")] = None,
    document: Annotated[
        str | None, typer.Option(metavar="ID", help="Those that bring or delete this document.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
) -> None:
    """The newest jobs."""
    with call.client() as client:
        if job_id is not None:
            found = client.job(ids.job_id(client, job_id))
            form = Format.JSON if call.for_people else call.form  # one job was JSON before there was `show`
            Call(form=form).show_one(found, job_page)
            return
        jobs = client.all_jobs(state=state, kind=kind, collection=collection, document_id=document)
        call.show_rows(islice(jobs, limit), JOBS)


@app.command()
@shows_data
def show(call: Call, job_id: JobId) -> None:
    """One job: what it is about, how far it is, its result or what went wrong."""
    with call.client() as client:
        call.show_one(client.job(ids.job_id(client, job_id)), job_page)


@app.command()
@shows_data
def stuck(call: Call) -> None:
    """Jobs that wait unusually long, by reason, with what to do."""
    with call.client() as client:
        groups = client.stuck_jobs()
    if not call.for_people:
        call.show_rows(groups, STUCK)
        return
    for line in stuck_page(groups):
        print(one_line(line))


@app.command()
@asks_api
def unstick(call: Call) -> None:
    """Help jobs that wait, by what can neither lose nor double work; say what was done."""
    with call.client() as client:
        done = client.unstick()
    for line in done or ["There is nothing to do: `aegis jobs stuck` shows what the jobs wait for"]:
        print(one_line(line))


@app.command()
@asks_api
def cancel(call: Call, job_ids: JobIds) -> None:
    """End jobs that are queued or running. Takes effect between stages, and within an answer."""
    with call.client() as client:
        done, errors = apply_to_each(job_ids, partial(ids.job_id, client), client.cancel)
    for each in done:
        print(one_line(f"{each} cancelled"))
    raise typer.Exit(status_of_all(errors, done=bool(done)))


@app.command()
@asks_api
def retry(
    call: Call,
    job_ids: JobIds,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the jobs to their end.")] = False,
) -> None:
    """Run jobs again that ended badly, from the stage where they ended."""
    from cli.commands.watch import follow_all  # noqa: PLC0415 - brings progress bars

    with call.client() as client:
        done, errors = apply_to_each(job_ids, partial(ids.job_id, client), client.retry)
        for each in done:
            print(one_line(f"{each} queued again"))
        errors += follow_all(client, done) if wait else []
    raise typer.Exit(status_of_all(errors, done=bool(done)))


@app.command()
@asks_api
def watch(
    call: Call,
    job_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Whole, or beginnings.")] = None,
    state: Annotated[str | None, typer.Option(help="Such as queued, running or failed.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="How many at most.")] = 20,
) -> None:
    """Follow jobs to their end; without ids, show the newest ones anew until Ctrl-C."""
    from cli.commands.watch import follow_all, watch_list  # noqa: PLC0415 - brings progress bars

    with call.client() as client:
        if not job_ids:
            watch_list(client, state, limit)
            return
        errors = follow_all(client, [ids.job_id(client, each) for each in job_ids])
    raise typer.Exit(status_of_all(errors, done=len(errors) < len(job_ids)))
