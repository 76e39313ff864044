"""How all commands are set up: groups, commands that load when they are called, fast option parsing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import typer
from typer import core
from typer._coercion import RuntimeParam, TypeDescriptor, build_runtime_param
from typer.core import TyperGroup
from typer.main import get_command

from cli.shell.exits import BROKEN_PIPE
from cli.tables.printing import silence_output

if TYPE_CHECKING:
    from typer._click import Context

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


class ListByDefault(TyperGroup):
    """Runs ``list`` when no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        completing = not args and ctx.resilient_parsing  # a shell asks for the names of the commands
        if not completing and (args or [""])[0] not in (*self.commands, *HELP_OPTIONS["help_option_names"]):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def group(about: str, cls: type[TyperGroup] = TyperGroup, **options: Any) -> typer.Typer:
    return typer.Typer(
        help=about,
        cls=cls,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its renderer loads more slowly than everything else
        context_settings=HELP_OPTIONS,
        **options,
    )


class LazyGroup(TyperGroup):
    """Loads the commands of :func:`add_lazy` when they are called or completed, not for help."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _end_on_broken_pipe():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _end_on_broken_pipe():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        place = getattr(command and command.callback, "place", None)
        if place:
            found = resolve_name(place)
            inner = found if isinstance(found, typer.Typer) else group("")
            if inner is not found:
                inner.command(str(name))(found)
            command = get_command(inner)
            command.name = str(name)
        return name, command, rest


def add_lazy(app: typer.Typer, name: str, place: str, about: str) -> None:
    """Add the command at ``place``, a Typer or a function, to ``app``, a LazyGroup."""

    def command() -> None: ...

    command.place = place  # type: ignore[attr-defined]
    app.command(name, help=about)(command)


@contextmanager
def _end_on_broken_pipe() -> Iterator[None]:
    """The reader of standard output, such as ``head``, may stop reading."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        silence_output()
        raise typer.Exit(BROKEN_PIPE) from None


class _Uncoerced(RuntimeParam):
    """Uses pydantic only for values of another type than the parameter's, such as a number that was typed."""

    def _coerce_value(self, value: Any, param: Any, ctx: "Context") -> Any:
        if self.annotation == list[str] and all(type(each) is str for each in value):
            return value
        if type(value) is self.annotation:
            return value
        return build_runtime_param(param.type_descriptor)._coerce_value(value, param, ctx)  # noqa: SLF001


def skip_needless_coercion() -> None:
    """Have Typer take values that have their type already as they are; in this process, for all commands.

    Typer has pydantic convert every value, even texts and defaults, and loading pydantic takes as long as a
    whole command without it. Typer offers no setting for it.
    """

    def build(descriptor: TypeDescriptor) -> RuntimeParam:
        if descriptor.is_file:
            return build_runtime_param(descriptor)
        return _Uncoerced(descriptor.parameter_info, descriptor.annotation)

    core.build_runtime_param = build  # type: ignore[attr-defined]  # typer.core does not export it
