"""The options that commands share: which API to ask, and in what form to show the answer."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from cli.tables.views import Format, Row, View

if TYPE_CHECKING:
    from cli.client.client import Client

P = ParamSpec("P")

Url = Annotated[
    str | None, typer.Option(metavar="URL", help="Address of the API; default: AEGIS_URL, or the stack here.")
]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="API and key of the profiles file; default: AEGIS_PROFILE.")
]
Output = Annotated[
    Format | None, typer.Option("--output", "-o", help="How it is shown; default: table.", show_choices=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as -o json.")]


@dataclass(frozen=True, slots=True)
class Call:
    """The options that commands share. ``url`` and ``profile``: None where they are not given."""

    url: str | None = None
    profile: str | None = None
    form: Format = Format.TABLE
    by_json: bool = False
    """Whether ``--json`` asked for the form."""

    @property
    def for_people(self) -> bool:
        return self.form is Format.TABLE

    def client(self) -> "Client":
        """Of the API that the options name, else the environment, else the stack on this machine."""
        from cli.client.client import connect  # noqa: PLC0415 - httpx loads slowly

        return connect(self.url, self.profile)

    def show_rows(self, rows: Iterable[Row], view: View) -> None:
        from cli.tables.tables import show_rows  # noqa: PLC0415 - rich loads slowly

        show_rows(rows, view, self.form)

    def show_one(self, found: Row, page: Callable[[Row], Iterable[tuple[str, str]]]) -> None:
        from cli.tables.tables import show_one  # noqa: PLC0415 - as above

        show_one(found, self.form, page)


Command = Callable[Concatenate[Call, P], None]


def asks_api(command: Command[P]) -> Callable[..., None]:
    """``command`` with the options ``--url`` and ``--profile``, as Typer reads it."""
    return _with_options(command, {"url": Url, "profile": Profile})


def shows_own_data(command: Command[P]) -> Callable[..., None]:
    """``command`` with ``--output`` and ``--json``: it shows data that is not from the API."""
    return _with_options(command, {"output": Output, "as_json": AsJson})


def shows_data(command: Command[P]) -> Callable[..., None]:
    """``command`` with ``--output``, ``--json``, ``--url`` and ``--profile``."""
    options = {"output": Output, "as_json": AsJson, "url": Url, "profile": Profile}
    return _with_options(command, options)


def _with_options(command: Command[P], options: Mapping[str, Any]) -> Callable[..., None]:
    """Replace the first parameter, the Call, by the options; they come after the command's own."""

    @wraps(command)
    def with_call(**given: Any) -> None:
        shared = {name: given.pop(name) for name in options}
        output, as_json = shared.get("output"), bool(shared.get("as_json"))
        if output and as_json and output is not Format.JSON:
            raise typer.BadParameter("--json and --output say different things")
        form = Format.JSON if as_json else output or Format.TABLE
        call = Call(shared.get("url"), shared.get("profile"), form, as_json)
        command(call, **given)  # type: ignore[call-arg]  # the rest is the command's own

    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    kind = inspect.Parameter.KEYWORD_ONLY
    taken = [
        *(each.replace(kind=kind) for each in own),
        *(
            inspect.Parameter(name, kind, default=False if name == "as_json" else None, annotation=annotation)
            for name, annotation in options.items()
        ),
    ]
    with_call.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    with_call.__annotations__ = {each.name: each.annotation for each in taken}
    del with_call.__wrapped__  # its signature would be read instead
    return with_call
