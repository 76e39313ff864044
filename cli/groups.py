"""Groups of commands as all of ours are."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from cli.exits import BROKEN_PIPE
from cli.surroundings import silence_output

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


class ListByDefault(TyperGroup):
    """Without a command's name in front, what was given is for ``list``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_which = not args and ctx.resilient_parsing  # a shell that completes the name of a command
        if not asks_which and (args or [""])[0] not in (*self.commands, *HELP_OPTIONS["help_option_names"]):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def group(about: str, cls: type[TyperGroup] = TyperGroup, **options: Any) -> typer.Typer:
    return typer.Typer(
        help=about,
        cls=cls,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its renderer takes longer to load than everything else
        context_settings=HELP_OPTIONS,
        **options,
    )


class LoadsWhenCalled(TyperGroup):
    """Commands of :func:`elsewhere` are loaded when they are called or completed, not for help."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _readers_may_go():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _readers_may_go():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        place = getattr(command and command.callback, "place", None)
        return name, _loaded(place, str(name)) if place else command, rest


def elsewhere(app: typer.Typer, name: str, place: str, about: str) -> None:
    """Have ``app``, a LoadsWhenCalled, know the command at ``place``, a Typer or a function."""

    def command() -> None: ...

    command.place = place  # type: ignore[attr-defined]
    app.command(name, help=about)(command)


@contextmanager
def _readers_may_go() -> Iterator[None]:
    """Whoever reads standard output, such as ``head``, may have read enough."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        silence_output()
        raise typer.Exit(BROKEN_PIPE) from None


def _loaded(place: str, name: str) -> Any:
    found = resolve_name(place)
    inner = found if isinstance(found, typer.Typer) else group("")
    if inner is not found:
        inner.command(name)(found)
    command = get_command(inner)
    command.name = name
    return command
