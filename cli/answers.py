"""A question's answer on the terminal: as it comes, then with its numbered sources."""

from collections.abc import Callable

from rich.console import Console
from rich.padding import Padding

from cli.client import Client
from cli.printing import paragraphs, shown
from rag.errors import AegisError
from rag.jsontypes import Json
from rag.printable import printable

_QUOTE = 300


def answered(client: Client, job_id: str, piece: Callable[[str], None]) -> Json:
    """A query's result; ``piece`` takes the answer's text as it is written. AegisError when it fails."""
    for kind, data in client.events(job_id):
        if kind == "token":
            piece(str(data["text"]))
    job = client.finished(job_id)
    if job["state"] == "succeeded":
        result: Json = job["result"]
        return result
    error = job["error"] or {}
    raise AegisError(f"the question ended as {job['state']}: {error.get('detail', 'no reason given')}")


def show_as_it_comes(console: Console, client: Client, job_id: str) -> None:
    """Print a query's answer while it is written, then its sources. AegisError when it fails."""
    streamed: list[str] = []

    def piece(text: str) -> None:
        streamed.append(text)
        print(printable(text), end="", flush=True)

    result = answered(client, job_id, piece)
    _show_rest(console, result, "".join(streamed))


def _show_rest(console: Console, result: Json, streamed: str) -> None:
    """What ``streamed`` has not shown yet: the answer, unless it is there already, and the sources."""
    answer = str(result["answer"])
    if streamed.strip() == answer.strip():
        console.print()
    else:
        console.print(f"\n{paragraphs(answer)}" if streamed else paragraphs(answer))
    for citation in result["citations"]:
        show_source(console, citation)
    kept = ", kept from earlier (--fresh asks anew)" if result.get("cached") else ""
    console.print(f"[dim]{shown(result['generator'])}, {result['timings_ms']['total']:.0f} ms{kept}[/]")


def show_source(console: Console, citation: Json) -> None:
    """Number, place and document of a citation, and what it quotes."""
    quote = " ".join(str(citation["text"]).split())
    quote = quote if len(quote) <= _QUOTE else f"{quote[:_QUOTE]} …"
    console.print(
        f"\n[bold cyan]\\[{shown(citation['n'])}][/] [bold]{shown(place(citation))}[/]", highlight=False
    )
    for line in (f"[cyan]{shown(citation['document_id'])}[/]", f"[dim]{shown(quote)}[/]"):
        console.print(Padding(line, (0, 0, 0, 4), expand=False), highlight=False)


def place(citation: Json) -> str:
    """Title, headings and page of a citation; the id where there is no title."""
    title = citation.get("title") or citation["document_id"]
    headings = [h for h in citation.get("headings") or [] if h != title]
    page = citation.get("page")
    where = " › ".join([title, *headings])
    return f"{where}, page {page}" if page else where
