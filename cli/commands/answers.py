"""A question's answer on the terminal: while it is written, then with its numbered sources."""

from collections.abc import Callable
from typing import IO

from rich.cells import cell_len
from rich.console import Console, Group
from rich.style import Style
from rich.table import Table
from rich.text import Text

from cli.client.client import Client, result_of
from rag.system.printable import one_line, printable
from rag.web.jsontypes import Json

_QUOTE = 300
_LONGEST_PATH = 4_000
_MARGINS = (4 * " ", 4 * " ")
_TAB = "    "


def follow_answer(client: Client, job_id: str, piece: Callable[[str], None]) -> Json:
    """A query's result; ``piece`` takes each piece of the answer. AegisError when the query fails."""
    for kind, data in client.events(job_id):
        if kind == "token":
            piece(str(data["text"]))
    return result_of(client.wait_for_job(job_id), "the question")


def show_as_it_comes(console: Console, client: Client, job_id: str) -> None:
    """Print a query's answer while it is written, then its sources. AegisError when the query fails.

    Without a terminal everything is printed at the end, and lines are not wrapped.
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
    """What ``streamed`` has not shown yet: the answer, unless it was written already, and the sources."""
    answer = str(result["answer"])
    if streamed.strip() != answer.strip():
        _say(console, f"\n{printable(answer)}" if streamed else printable(answer))
    elif not streamed.endswith("\n"):
        console.print()
    for citation in result["citations"]:
        show_source(console, citation, site)
    if not_found := result.get("not_found"):
        _say(console, f"\n{printable(str(not_found['message']))}")
    if pending := result.get("pending_documents"):
        _say(console, f"\n{on_their_way(int(pending))}")
    cached = ", kept from earlier (--fresh asks anew)" if result.get("cached") else ""
    facts = one_line(f"{result['generator']}, {result['timings_ms']['total']:.0f} ms{cached}")
    _say(console, f"\n{facts}", "dim")


def on_their_way(count: int) -> str:
    """A note that documents are not searchable yet."""
    documents = (
        "1 document of the collection is" if count == 1 else f"{count} documents of the collection are"
    )
    return f"{documents} still on the way: ask again when done."


def show_source(console: Console, citation: Json, site: str = "") -> None:
    """Print a citation: its number, place, document and quote.

    ``site``: the API's address. With it, terminals that know links link the place to the passage.
    """
    quote = " ".join(str(citation["text"]).split())
    quote = quote if len(quote) <= _QUOTE else f"{quote[:_QUOTE]} …"
    number = f"[{one_line(str(citation['n']))}]"
    facts = ((place(citation), "bold"), (str(citation["document_id"]), "cyan"), (quote, "dim"))
    lines = [Text(one_line(text), style) for text, style in facts]
    console.print()
    if console.is_terminal:
        # A grid, so that a wrapped quote stays beside its number.
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True, style="bold cyan")
        grid.add_column(overflow="fold")
        path = str(citation.get("url") or "")
        is_path = path.startswith("/") and path.isascii() and path.isprintable() and " " not in path
        if site and is_path and len(path) <= _LONGEST_PATH:
            lines[0].stylize(Style(link=f"{site}{path}"))
        grid.add_row(Text(number), Group(*lines))
        console.print(grid)
        return
    for margin, line in zip((f"{number} ", *_MARGINS), lines, strict=True):
        _say(console, f"{margin}{line.plain}")


def _say(console: Console, text: str, style: str = "") -> None:
    """Print a line; a terminal wraps it, a file or pipe gets it whole."""
    console.print(Text(text, style), highlight=False, soft_wrap=not console.is_terminal)


def place(citation: Json) -> str:
    """Title (or else the id), headings and page of a citation, and whether its text was recognised."""
    title = citation.get("title") or citation["document_id"]
    headings = [h for h in citation.get("headings") or [] if h != title]
    page = citation.get("page")
    where = " › ".join([title, *headings])
    recognised = " (recognised)" if citation.get("recognised") else ""
    return f"{where}, page {page}{recognised}" if page else f"{where}{recognised}"


class WrappedText:
    """Writes text to ``out`` while it comes, in lines of less than ``width`` columns where words allow it.

    A word is written when white space follows, or once it fills a line. Spaces at the start of a
    line stay, since code needs them; spaces where a line is broken are dropped.
    """

    def __init__(self, out: IO[str], width: int) -> None:
        self._out, self._width = out, max(2, width)
        self._column, self._gap, self._word = 0, "", ""

    def write(self, text: str) -> None:
        for character in text.replace("\t", _TAB):
            if character == "\n":
                self._end_word()
                self._out.write("\n")
                self._column, self._gap = 0, ""
            elif character == " ":
                self._end_word()
                self._gap += " "
            else:
                self._word += character
                # Measured in columns: characters of East Asian scripts take two.
                if cell_len(self._word) >= self._width - 1:
                    self._end_word()
        self._out.flush()

    def end(self) -> None:
        """No more text comes."""
        self._end_word()
        self._out.flush()

    def _end_word(self) -> None:
        if not self._word:
            return
        if self._column and self._column + cell_len(self._gap + self._word) >= self._width:
            self._out.write("\n")
            self._column, self._gap = 0, ""
        self._out.write(self._gap + self._word)
        self._column += cell_len(self._gap + self._word)
        self._gap, self._word = "", ""
