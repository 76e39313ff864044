"""The ``aegis`` command. Modules are imported by the command that needs them, so that help is instant."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer._completion_classes import completion_init

from cli.commands.call import Call, shows_data
from cli.shell import exits
from cli.shell.groups import HELP_OPTIONS, LazyGroup, add_lazy, skip_needless_coercion
from cli.tables.printing import repair_streams, silence_output
from rag.errors import AegisError, ConfigurationError
from rag.system.printable import printable, write_plainly

if TYPE_CHECKING:
    from rich.console import Console

    from cli.client.client import Client
    from rag.settings import Settings

app = typer.Typer(
    name="aegis",
    help="Aegis RAG: documents in, cited answers out.",
    epilog=exits.epilogue(),
    cls=LazyGroup,
    context_settings=HELP_OPTIONS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its renderer loads more slowly than everything else
)


def _version(wanted: bool) -> None:
    if wanted:
        from rag.naming import release

        print(f"aegis {release()}")
        raise typer.Exit


@app.callback()
def aegis(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command itself; all others go behind the name of the command that they are for."""


@app.command()
def setup() -> None:
    """Build the bundled models, once; the first start does it too."""
    from rag.system.folders import expanded
    from workers.setup import build_models

    settings = _settings()
    folder = expanded(settings.model_dir, "MODEL_DIR: ").resolve()
    build_models(settings, folder, lambda line: print(f"aegis: {line}", file=sys.stderr))


@app.command()
def up(verbose: Annotated[bool, typer.Option(help="Show every log line of every part.")] = False) -> None:
    """Start the stack and keep it running until Ctrl-C."""
    from cli.supervisor.display import Display
    from cli.supervisor.json_display import JsonDisplay
    from cli.supervisor.up import up as run_stack

    settings = _settings()
    display = JsonDisplay(verbose=verbose) if settings.log_format == "json" else Display(verbose=verbose)
    raise typer.Exit(run_stack(settings, display, verbose=verbose))


@app.command()
def demo(
    docs: Annotated[Path | None, typer.Option(help="Folder of documents; default: Aegis' own.")] = None,
    question: Annotated[str | None, typer.Option(help="What to ask.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the answer.")] = False,
) -> None:
    """Start the stack, ingest documents, ask a question, show the answer with its sources."""
    from cli.commands.demo import demo as demonstrate
    from cli.supervisor.display import Display
    from cli.supervisor.up import up as run_stack
    from rag.system.folders import expanded

    settings, console = _settings(), _console()
    folder = expanded(docs) if docs else None
    if folder is not None and not folder.exists():
        raise ConfigurationError(f"{folder} is not there")

    def work() -> int:
        with _client(settings, None) as client:
            return demonstrate(client, console, folder, question)

    raise typer.Exit(run_stack(settings, Display(console), work=work, once=once))


@app.command()
@shows_data
def doctor(call: Call) -> None:
    """Check settings, models, disk, stores, broker and queues; exit status 1 when something is wrong."""
    from dataclasses import asdict

    from cli.commands.doctor import FINDINGS, examine
    from cli.doctor.finding import verdict
    from rag.system.folders import keep_private

    settings = _settings()
    keep_private()
    # AEGIS_URL is not used here: it names an API to ask, while this command checks this machine.
    with call.client() if call.url or call.profile else _client(settings, None) as client:
        findings = list(examine(settings, client))
    call.show_rows(map(asdict, findings), FINDINGS)
    if call.for_people:
        _console().print(verdict(findings))
    raise typer.Exit(any(finding.state == "bad" for finding in findings))


LAZY_COMMANDS = {
    "ingest": ("cli.commands.ingest:ingest", "Ingest files, folders, addresses or standard input."),
    "ask": ("cli.commands.ask:ask", "Ask a question; show the answer as it is written, then its sources."),
    "down": ("cli.commands.down:down", "Stop the stack that runs on this machine."),
    "status": ("cli.commands.status:status", "Show whether the API, and every part behind it, is ready."),
    "top": ("cli.commands.top:top", "Watch lanes, workers, jobs and what the API needs, live."),
    "logs": ("cli.commands.logs:logs", "Show what the parts of the stack on this machine have written."),
    "search": ("cli.commands.search:search", "Show the passages that a question finds, without an answer."),
    "jobs": ("cli.commands.jobs:app", "List, show, cancel, retry and watch jobs."),
    "documents": ("cli.commands.documents:app", "List, show and delete documents."),
    "collections": ("cli.commands.collections:app", "List, show, create and delete collections."),
    "eval": (
        "cli.commands.eval:evaluate",
        "Measure retrieval and answers on questions whose answers are known.",
    ),
    "reindex": ("cli.commands.reindex:reindex", "Change a collection's embedding model, or take that back."),
    "dlq": ("cli.commands.dead_letters:app", "Dead letters: list, show, replay or drop them."),
    "backup": ("cli.commands.backup:app", "Make a backup; list, show, verify, rehearse and prune them."),
    "restore": ("cli.commands.restore:restore", "Bring back what a backup has."),
    "keys": ("cli.commands.keys:app", "Keys: create, list, rotate, revoke or activate them."),
    "config": ("cli.commands.config:app", "Settings: show where each comes from, or check them all."),
    "audit": ("cli.commands.audit:audit", "Who changed what: the latest writes, questions or refused keys."),
    "bench": ("bench.main:main", "Measure speed, as ratios within one run."),
    "completion": (
        "cli.commands.completion:completion",
        "Print the script by which a shell completes commands.",
    ),
}
"""Commands of other modules: where each function or Typer is, and what it does."""

for _name, (_place, _about) in LAZY_COMMANDS.items():
    add_lazy(app, _name, _place, _about)


def run() -> None:
    """The entry point. Every error ends with a status of ``cli.shell.exits`` and without a traceback."""
    repair_streams()
    write_plainly()
    # Typer registers its shell completion only when it adds its own options, which are off here.
    completion_init()
    skip_needless_coercion()
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx's own command line loads slowly
    try:
        app(prog_name="aegis")
    except KeyboardInterrupt:
        sys.exit(exits.INTERRUPTED)
    except AegisError as error:
        for line in printable(str(error) or error.title).splitlines():
            print(f"aegis: {line}", file=sys.stderr)
        sys.exit(exits.status_of(error))
    except OSError as error:
        silence_output()
        print(f"aegis: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)


def _settings() -> "Settings":
    from rag.settings import load

    return load()


def _client(settings: "Settings", url: str | None) -> "Client":
    """Of the stack of these settings, unless ``url`` names another API."""
    from cli.client.client import client_of

    return client_of(settings, url)


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


if __name__ == "__main__":
    run()
