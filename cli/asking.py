"""Questions to whoever sits at the terminal."""

import sys

import typer

from rag.printable import one_line


def require_consent(question: str, *, yes: bool) -> None:
    """Ask, unless ``yes``. Abort for a no, BadParameter where nobody can be asked."""
    if yes:
        return
    if not on_a_terminal():
        raise typer.BadParameter(f"{one_line(question)} Nobody can be asked here: say --yes")
    typer.confirm(one_line(question), abort=True, err=True)


def on_a_terminal() -> bool:
    return sys.stdin.isatty()
