"""``aegis demo``: ingests documents, asks a question and shows the answer with its sources."""

from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel

from cli.client.client import Client
from cli.commands.answers import follow_answer, show_source
from cli.ingestion.ingestion import Outcome, ingest
from cli.ingestion.sources import LocalFile
from cli.ingestion.walk import files as files_in
from cli.tables.printing import paragraphs, shown
from cli.units import many
from rag.errors import AegisError
from rag.web.jsontypes import Json

_PACKAGED = Path(__file__).parents[1] / "documents"
_REPOSITORY = Path(__file__).resolve().parents[2]
QUESTION = "Why does the vector engine run in a process of its own?"
_COLLECTION = "demo"
_OWN = ("docs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")  # a wheel has the first
_TITLES_TRIED = 3


def demo(client: Client, console: Console, docs: Path | None, question: str | None) -> int:
    """The exit status: 0 when a question was answered from the documents, else 1."""
    files = documents(docs)
    if not files:
        console.print(f"[red]no file under {shown(docs)} can be read[/]")
        return 1
    collection = collection_of(docs)
    if not _ingest(client, console, files, collection):
        return 1
    questions = [question or QUESTION]
    if docs is not None and not question:
        titles = [document["title"] for document in client.documents(collection)]
        questions = [f"What is {title}?" for title in titles[:_TITLES_TRIED]]
        if not questions:
            raise AegisError("no document can be asked about")
    for asked in questions:
        result = follow_answer(client, client.ask(asked, collection)["job_id"], lambda _text: None)
        if result["citations"] or asked == questions[-1]:
            _show_answer(console, asked, result)
            return 0 if result["citations"] or question else 1
    return 1


def documents(docs: Path | None) -> tuple[LocalFile, ...]:
    """The files of ``docs``, or Aegis' own documents."""
    if docs is not None:
        return files_in([docs])
    root = _PACKAGED if _PACKAGED.exists() else _REPOSITORY
    own = files_in([root / name for name in _OWN if (root / name).exists()])
    return tuple(
        LocalFile.at(found.path, found.path.relative_to(root).as_posix())
        for found in own
        if found.path.suffix == ".md"
    )


def collection_of(docs: Path | None) -> str:
    """A collection for each set of documents: one demonstration must not answer from another's."""
    if docs is None:
        return _COLLECTION
    return f"{_COLLECTION}-{sha256(bytes(docs.expanduser().resolve())).hexdigest()[:8]}"


def _ingest(client: Client, console: Console, files: tuple[LocalFile, ...], collection: str) -> bool:
    """False when no document was accepted."""

    def show(outcome: Outcome) -> None:
        if outcome.reason is None:
            how = "unchanged" if outcome.result.get("unchanged") else many(outcome.result["chunks"], "chunk")
            console.print(f"  [green]✓[/] {shown(outcome.name)} [dim]{how}[/]", highlight=False)
        else:
            console.print(f"  [red]✗[/] {shown(outcome.name)} {shown(outcome.reason)}", highlight=False)

    with console.status(f"ingesting {many(len(files), 'document')}"):
        outcomes = ingest(client, files, collection, wait=True, done=show)
    good = [outcome for outcome in outcomes if outcome.reason is None]
    chunks = sum(outcome.result.get("chunks", 0) for outcome in good)
    console.print(
        f"[bold green]{len(good)} of {many(len(files), 'document')}[/] searchable: {many(chunks, 'chunk')}"
    )
    return bool(good)


def _show_answer(console: Console, question: str, result: Json) -> None:
    console.print()
    console.print(
        Panel(
            f"[bold]{shown(question)}[/]\n\n{paragraphs(result['answer'])}",
            title="Aegis RAG",
            subtitle=f"{shown(result['generator'])}, {result['timings_ms']['total']:.0f} ms",
            border_style="cyan",
            padding=(1, 2),
        )
    )
    for citation in result["citations"]:
        show_source(console, citation)
    if not_found := result.get("not_found"):
        console.print(Padding(f"[yellow]{shown(not_found['message'])}[/]", (0, 2)))
    console.print()
