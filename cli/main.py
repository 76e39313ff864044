"""The ``aegis`` command. Modules are imported by the command that needs them, so that help is instant."""

import sys
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.errors import AegisError, ConfigurationError
from rag.printable import printable, write_plainly

if TYPE_CHECKING:
    from rich.console import Console

    from cli.client import Client
    from rag.settings import Settings

app = typer.Typer(
    help="Aegis RAG: documents in, cited answers out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its renderer takes longer to load than everything else
)

Url = Annotated[str | None, typer.Option(help="Address of the API; default: the stack on this machine.")]
Collection = Annotated[str | None, typer.Option(help="Collection; default: COLLECTION_NAME.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def setup() -> None:
    """Build the bundled model, once."""
    from workers.embedding.build import build

    settings = _settings()
    build(settings.model_dir.expanduser().resolve(), lambda line: print(f"aegis: {line}", file=sys.stderr))


@app.command()
def up(verbose: Annotated[bool, typer.Option(help="Show every log line of every part.")] = False) -> None:
    """Start the stack and keep it running until Ctrl-C."""
    from cli.display import Display
    from cli.up import up as run_stack

    raise typer.Exit(run_stack(_settings(), Display(verbose=verbose), verbose=verbose))


@app.command()
def demo(
    docs: Annotated[Path | None, typer.Option(help="Folder of documents; default: Aegis' own.")] = None,
    question: Annotated[str | None, typer.Option(help="What to ask.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the answer.")] = False,
) -> None:
    """Start the stack, ingest documents, ask a question, show the answer with its sources."""
    from cli.demo import demo as demonstrate
    from cli.display import Display
    from cli.up import up as run_stack

    settings, console = _settings(), _console()
    folder = docs.expanduser() if docs else None
    if folder is not None and not folder.exists():
        raise ConfigurationError(f"{folder} is not there")

    def work() -> int:
        with _client(settings, None) as client:
            return demonstrate(client, console, folder, question)

    raise typer.Exit(run_stack(settings, Display(console), work=work, once=once))


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    collection: Collection = None,
    wait: Annotated[bool, typer.Option(help="Follow each document until it is searchable.")] = True,
    url: Url = None,
) -> None:
    """Ingest files and folders. A document's id is its path below the folder: run it again to update."""
    from cli.ingestion import ingest as ingest_files
    from cli.ingestion import walk
    from cli.report import Progress, summary

    console = _console()
    try:
        walked = walk([path.expanduser() for path in paths])
    except OSError as error:
        raise ConfigurationError(str(error)) from error
    with _client(_settings(), url) as client, Progress(console, len(walked.files)) as progress:
        outcomes = ingest_files(client, walked.files, collection, wait=wait, done=progress.advance)
    raise typer.Exit(summary(console, outcomes, walked.skipped, waited=wait))


@app.command()
def ask(
    question: str,
    collection: Collection = None,
    top_k: Annotated[int | None, typer.Option(help="Passages to retrieve.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Past the caches.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Ask a question; the answer is shown as it is written, then its sources."""
    from cli.answers import answered, show_as_it_comes
    from cli.printing import print_json

    with _client(_settings(), url) as client:
        job_id = client.ask(question, collection, top_k, fresh=fresh)["job_id"]
        if as_json:
            result = answered(client, job_id, lambda _piece: None)
            print_json(result)
        else:
            show_as_it_comes(_console(), client, job_id)


@app.command()
def jobs(
    job_id: Annotated[str | None, typer.Argument(help="One job, in full.")] = None,
    state: Annotated[str | None, typer.Option(help="Such as queued, running or failed.")] = None,
    kind: Annotated[str | None, typer.Option(help="Such as ingest, query, reindex or backup.")] = None,
    limit: int = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """The newest jobs, or one job."""
    from cli.report import job_table

    with _client(_settings(), url) as client:
        found: Any = client.job(job_id) if job_id else client.jobs(state=state, kind=kind, limit=limit)
    _show(found, job_table, as_json=as_json or job_id is not None)


@app.command()
def documents(collection: Collection = None, as_json: AsJson = False, url: Url = None) -> None:
    """The documents of a collection."""
    from cli.report import document_table

    with _client(_settings(), url) as client:
        found = list(client.documents(collection))
    _show(found, document_table, as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False, url: Url = None) -> None:
    """Check settings, models, disk, stores, broker and queues; exit status 1 when something is wrong."""
    from dataclasses import asdict

    from cli.doctor import examine
    from cli.printing import print_json
    from cli.report import finding_table, verdict
    from rag.folders import keep_private

    settings = _settings()
    keep_private()
    with _client(settings, url) as client:
        findings = list(examine(settings, client))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _console().print(finding_table(findings), verdict(findings), sep="\n")
    raise typer.Exit(any(finding.state == "bad" for finding in findings))


ELSEWHERE = {
    "eval": ("cli.eval:evaluate", "Measure retrieval and answers on questions whose answers are known."),
    "reindex": ("cli.reindex:reindex", "Change a collection's embedding model, or take that back."),
    "dlq": ("cli.dead_letters:app", "Dead letters: list, show, replay or drop them."),
    "backup": ("cli.backup:app", "Make a backup; list, show, verify, rehearse and prune them."),
    "restore": ("cli.restore:restore", "Bring back what a backup has."),
    "keys": ("cli.keys:app", "Keys: create, list, rotate, revoke or activate them."),
    "audit": ("cli.audit:audit", "Who changed what: the latest writes, questions or refused keys."),
    "bench": ("bench.main:main", "Measure speed, as ratios within one run."),
}
"""Commands that read their options themselves: a function or a Typer each, and what it does."""


def _add(name: str, place: str, about: str) -> None:
    def command(context: typer.Context) -> None:
        found = resolve_name(place)
        inner = found if isinstance(found, typer.Typer) else _app_of(found)
        inner(args=context.args, prog_name=f"aegis {name}")

    unread = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(name, help=about, context_settings=unread, add_help_option=False)(command)


def _app_of(function: Callable[..., Any]) -> typer.Typer:
    inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    inner.command()(function)
    return inner


for _name, (_place, _about) in ELSEWHERE.items():
    _add(_name, _place, _about)


def run() -> None:
    """The entry point: errors of ours end in a line on stderr, 2 for a wrong setting, else 1."""
    write_plainly()
    try:
        app(standalone_mode=True)
    except ConfigurationError as error:
        sys.exit(_said(error, 2))
    except AegisError as error:
        sys.exit(_said(error, 1))


def _said(error: AegisError, status: int) -> int:
    for line in printable(str(error) or error.title).splitlines():
        print(f"aegis: {line}", file=sys.stderr)
    return status


def _show(found: Any, table: Callable[[Any], Any], *, as_json: bool) -> None:
    from cli.printing import print_json

    if as_json:
        print_json(found)
    else:
        _console().print(table(found))


def _settings() -> "Settings":
    from rag.settings import load

    return load()


def _client(settings: "Settings", url: str | None) -> "Client":
    from cli.client import client_of

    return client_of(settings, url)


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


if __name__ == "__main__":
    run()
