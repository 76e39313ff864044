"""What the supervisor shows on the terminal."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from rich.console import Console, RenderableType
from rich.control import Control
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from cli.supervisor.logs import stamp
from cli.supervisor.runner import Observer
from cli.tables.printing import shown
from rag.system.printable import one_line


class StackDisplay(Observer, Protocol):
    """Is told what happens to the stack, beside what happens to its services."""

    def show_start(self, home: Path) -> None: ...
    def show_stopping(self) -> None: ...
    def show_addresses(self, seconds: float, addresses: Mapping[str, str]) -> None: ...
    def show_note(self, text: str) -> None: ...
    def clear_spinner(self) -> None: ...


_LOG_PREFIX = re.compile(r"[0-9-]{10} [0-9:]{8},[0-9]{3} [A-Z]{4,8}")


class Display:
    """Implements :class:`StackDisplay` for people.

    Plain lines where there is no terminal; colours follow NO_COLOR.
    """

    def __init__(self, console: Console | None = None, *, verbose: bool = False) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._verbose = verbose
        self._stopping = False

    def show_start(self, home: Path) -> None:
        self._line(f"[bold]Aegis RAG[/]  starting in {shown(home)}")

    def show_ready(self, service: str, seconds: float) -> None:
        self._line(f"  [green]✓[/] {service:<20} [dim]{seconds:.1f} s[/]")

    def show_death(self, service: str, how: str, *, restart: int, wait: float) -> None:
        when = "now" if not wait else f"in {wait:.0f} s"
        self._line(f"  [red]✗ {service} ended with {how}[/], restarting {when} (restart {restart})")

    def show_back(self, service: str, seconds: float) -> None:
        self._line(f"  [green]✓[/] {service} is back after {seconds:.1f} s")

    def show_line(self, service: str, line: str) -> None:
        """A line of a service's log. Not while the stack stops: then services miss each other."""
        if self._verbose or not self._stopping:
            when, named, text = line.partition(f" {service} ")
            if not (named and _LOG_PREFIX.fullmatch(when)):
                when, text = f"{stamp()} WARNING", line
            # Not as markup: for many backslashes rich takes time that grows with their square.
            self._line(Text.assemble("  ", (when, "dim"), " ", (service, "yellow"), " ", one_line(text)))

    def show_stopping(self) -> None:
        self._stopping = True
        self._line("stopping, in order; Ctrl-C again to hurry")

    def show_stop(self, service: str, seconds: float) -> None:
        self._line(f"  [dim]■ {service:<20} {seconds:.1f} s[/]")

    def clear_spinner(self) -> None:
        """Remove the spinner of interrupted work, which had hidden the cursor too."""
        with suppress(OSError):
            self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
            self._console.show_cursor()

    def show_addresses(self, seconds: float, addresses: Mapping[str, str]) -> None:
        """Everything is ready, after ``seconds``: show the table of addresses."""
        table = Table(box=None, show_header=False, padding=(0, 2))
        for name, address in addresses.items():
            table.add_row(f"[bold]{name}[/]", shown(address))
        self._line(f"[bold green]ready[/] in {seconds:.1f} s")
        self._line(table)
        self._line("Ctrl-C stops everything.")

    def show_note(self, text: str) -> None:
        self._line(Text(one_line(text)))

    def _line(self, text: RenderableType) -> None:
        """Print; skipped when the terminal is gone, or is a file on a full disk."""
        with suppress(OSError):
            self._console.print(text)
