"""The ``aegis`` command. Modules are imported by the command that needs them, so that help is instant."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.errors import AegisError, ConfigurationError

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

    with _client(_settings(), url) as client:
        job_id = client.ask(question, collection, top_k, fresh=fresh)["job_id"]
        if as_json:
            result = answered(client, job_id, lambda _piece: None)
            print(json.dumps(result, ensure_ascii=False, indent=2))
        else:
            show_as_it_comes(_console(), client, job_id)


@app.command()
def jobs(
    job_id: Annotated[str | None, typer.Argument(help="One job, in full.")] = None,
    state: Annotated[str | None, typer.Option(help="Such as queued, running or failed.")] = None,
    kind: Annotated[str | None, typer.Option(help="ingest, query, delete or reindex.")] = None,
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
    from cli.report import finding_table, verdict

    settings = _settings()
    with _client(settings, url) as client:
        findings = list(examine(settings, client))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        _console().print(finding_table(findings), verdict(findings), sep="\n")
    raise typer.Exit(any(finding.state == "bad" for finding in findings))


_ELSEWHERE = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(name="eval", context_settings=_ELSEWHERE, add_help_option=False)
def evaluation(context: typer.Context) -> None:
    """Measure retrieval and answers on questions whose answers are known."""
    from cli.eval import evaluate

    _delegate(evaluate, "eval", context.args)


@app.command(name="reindex", context_settings=_ELSEWHERE, add_help_option=False)
def reindexing(context: typer.Context) -> None:
    """Change a collection's embedding model without downtime, or take that back."""
    from cli.reindex import reindex

    _delegate(reindex, "reindex", context.args)


@app.command(name="dlq", context_settings=_ELSEWHERE, add_help_option=False)
def dead_letters(context: typer.Context) -> None:
    """Dead letters: list, show, replay or drop the jobs that were given up."""
    from cli.dead_letters import app as dlq

    dlq(args=context.args, prog_name="aegis dlq")


@app.command(context_settings=_ELSEWHERE, add_help_option=False)
def bench(context: typer.Context) -> None:
    """Measure speed, as ratios within one run."""
    from bench.main import main

    _delegate(main, "bench", context.args)


def run() -> None:
    """The entry point: errors of ours end in a line on stderr, 2 for a wrong setting, else 1."""
    try:
        app(standalone_mode=True)
    except ConfigurationError as error:
        sys.exit(_said(error, 2))
    except AegisError as error:
        sys.exit(_said(error, 1))


def _said(error: AegisError, status: int) -> int:
    for line in (str(error) or error.title).splitlines():
        print(f"aegis: {line}", file=sys.stderr)
    return status


def _show(found: Any, table: Callable[[Any], Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _console().print(table(found))


def _delegate(command: Callable[..., Any], name: str, arguments: list[str]) -> None:
    """Let a function of another module read its own options."""
    inner = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    inner.command()(command)
    inner(args=arguments, prog_name=f"aegis {name}")


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
