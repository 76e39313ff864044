"""Changes to several things at once: consent first, then one after another."""

import sys
from collections.abc import Callable, Iterable

import typer

from rag.errors import AegisError, Forbidden, Permanent, Unauthenticated
from rag.system.printable import one_line


def require_consent(question: str, *, yes: bool) -> None:
    """Ask the user, unless ``yes``. Abort for a no, BadParameter where there is no terminal to ask on."""
    if yes:
        return
    if not on_a_terminal():
        raise typer.BadParameter(f"{one_line(question)} Nobody can be asked here: say --yes")
    typer.confirm(one_line(question), abort=True, err=True)


def on_a_terminal() -> bool:
    return sys.stdin.isatty()


def apply_to_each(
    given: Iterable[str], resolve: Callable[[str], str], act: Callable[[str], object]
) -> tuple[list[str], list[AegisError]]:
    """Apply ``act`` to each of ``given``; the ids for which it succeeded, and the errors of the others.

    ``resolve`` finds the whole id. Each error is printed on stderr; one about the API key ends everything.
    """
    done: list[str] = []
    errors: list[AegisError] = []
    for each in dict.fromkeys(given):
        try:
            whole = resolve(each)
            if whole not in done:
                act(whole)
                done.append(whole)
        except (Unauthenticated, Forbidden):
            raise
        except Permanent as error:
            print(one_line(f"aegis: {each}: {error or error.title}"), file=sys.stderr)
            errors.append(error)
    return done, errors
