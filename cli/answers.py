"""A question's answer on the terminal: as it comes, then with its numbered sources."""

from collections.abc import Callable

from rich.console import Console, Group
from rich.style import Style
from rich.table import Table
from rich.text import Text

from cli.client import Client
from cli.wrapping import WrappedText
from rag.errors import AegisError
from rag.jsontypes import Json
from rag.printable import one_line, printable

_QUOTE = 300
_LONGEST_PATH = 4_000
_MARGINS = (4 * " ", 4 * " ")


def follow_answer(client: Client, job_id: str, piece: Callable[[str], None]) -> Json:
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
    """Print a query's answer while it is written, then its sources. AegisError when it fails.

    Where nobody watches, everything comes at the end, in lines that are as long as they are.
    """
    streamed: list[str] = []
    lines = WrappedText(console.file, console.width)

    def piece(text: str) -> None:
        if console.is_terminal:
            streamed.append(text)
            lines.write(printable(text))

    try:
        result = follow_answer(client, job_id, piece)
    finally:
        lines.end()
    _show_rest(console, result, "".join(streamed), client.url if result["citations"] else "")


def _show_rest(console: Console, result: Json, streamed: str, site: str = "") -> None:
    """What ``streamed`` has not shown yet: the answer, unless it is there already, and the sources."""
    answer = str(result["answer"])
    if streamed.strip() != answer.strip():
        _say(console, f"\n{printable(answer)}" if streamed else printable(answer))
    elif not streamed.endswith("\n"):
        console.print()
    for citation in result["citations"]:
        show_source(console, citation, site)
    if pending := result.get("pending_documents"):
        _say(console, f"\n{on_their_way(int(pending))}")
    kept = ", kept from earlier (--fresh asks anew)" if result.get("cached") else ""
    told = one_line(f"{result['generator']}, {result['timings_ms']['total']:.0f} ms{kept}")
    _say(console, f"\n{told}", "dim")


def on_their_way(count: int) -> str:
    """Why something may not be found yet."""
    documents = (
        "1 document of the collection is" if count == 1 else f"{count} documents of the collection are"
    )
    return f"{documents} still on the way: ask again when done."


def show_source(console: Console, citation: Json, site: str = "") -> None:
    """Number, place and document of a citation, and what it quotes.

    On a terminal that knows links the place is one to the passage, at the API's address ``site``.
    """
    quote = " ".join(str(citation["text"]).split())
    quote = quote if len(quote) <= _QUOTE else f"{quote[:_QUOTE]} …"
    number = f"[{one_line(str(citation['n']))}]"
    facts = ((place(citation), "bold"), (str(citation["document_id"]), "cyan"), (quote, "dim"))
    lines = [Text(one_line(text), style) for text, style in facts]
    console.print()
    if console.is_terminal:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True, style="bold cyan")
        grid.add_column(overflow="fold")
        lines[0].stylize(Style(link=_page(site, str(citation.get("url") or ""))))
        grid.add_row(Text(number), Group(*lines))
        console.print(grid)
        return
    for margin, line in zip((f"{number} ", *_MARGINS), lines, strict=True):
        _say(console, f"{margin}{line.plain}")


def _page(site: str, path: str) -> str | None:
    """Where the passage is shown; None for what is no path of the API's."""
    is_path = path.startswith("/") and path.isascii() and path.isprintable() and " " not in path
    return f"{site}{path}" if site and is_path and len(path) <= _LONGEST_PATH else None


def _say(console: Console, text: str, style: str = "") -> None:
    """In lines of their own; whole where there is no terminal."""
    console.print(Text(text, style), highlight=False, soft_wrap=not console.is_terminal)


def place(citation: Json) -> str:
    """Title, headings and page of a citation; the id where there is no title."""
    title = citation.get("title") or citation["document_id"]
    headings = [h for h in citation.get("headings") or [] if h != title]
    page = citation.get("page")
    where = " › ".join([title, *headings])
    return f"{where}, page {page}" if page else where
