"""``aegis keys``: create, list, rotate, revoke and activate keys. A key itself is shown once."""

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.client import client_of
from cli.figures import age, clock
from rag.model import Json
from rag.settings import load

app = typer.Typer(
    help="Create, list, rotate, revoke and activate keys. Takes an admin's key that reaches all collections.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="As `aegis keys list` shows it.")]
Days = Annotated[
    float | None, typer.Option("--days", min=0.001, help="Days until it expires; default: never.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str | None, typer.Option(help="Address of the API; default: the stack on this machine.")]

_COLOURS = {"active": "green", "suspended": "yellow", "expired": "dim", "revoked": "dim"}
_ONCE = "It is shown this once: keep it where secrets are kept. Send it as API_KEY, or as a Bearer token."


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whom it is for; no two keys have the same.")],
    role: Annotated[str, typer.Option(help="read, write or admin.")],
    collections: Annotated[
        list[str], typer.Option("--collection", help="One that it reaches, repeated for more; * for all.")
    ],
    days: Days = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Make a key. The first one is an admin's for all collections; from then on nobody comes in without."""
    fields: Json = {"name": name, "role": role, "collections": collections, **_expiry(days)}
    with client_of(load(), url) as client:
        _show_once(client.make_key(**fields), as_json=as_json)


@app.command(name="list")
def show_all(as_json: AsJson = False, url: Url = None) -> None:
    """Every key with what it may do, how it stands, and when it was last used."""
    with client_of(load(), url) as client:
        keys = list(client.made_keys())
    if as_json:
        print(json.dumps(keys, ensure_ascii=False, indent=2))
    else:
        Console(highlight=False).print(key_table(keys) if keys else "There are no keys: nobody needs one.")


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[
        float, typer.Option(min=0, max=720, help="Hours for which the former secret stays good; 0: none.")
    ] = 24,
    days: Days = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Give a key a new secret. The former one stays good for a while, so that nobody is cut off."""
    options = {"grace_seconds": round(grace * 3600), **_expiry(days)}
    with client_of(load(), url) as client:
        _show_once(client.rotate_key(key_id, **options), as_json=as_json)


@app.command()
def revoke(key_id: KeyId, url: Url = None) -> None:
    """End a key for good, from the next request on. After the last admin's, API_KEYS alone lets one in."""
    with client_of(load(), url) as client:
        print(f"{client.revoke_key(key_id)['name']} is revoked")


@app.command()
def activate(
    key_ids: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    restored: Annotated[bool, typer.Option("--restored", help="All that a restore brought back.")] = False,
    url: Url = None,
) -> None:
    """Let keys in again that a restore brought back, after a look at which should not be."""
    if bool(key_ids) == restored:
        raise typer.BadParameter("name either ids, or --restored")
    with client_of(load(), url) as client:
        chosen = key_ids or [each["id"] for each in client.made_keys() if each["state"] == "suspended"]
        for key_id in chosen:
            print(f"{client.activate_key(key_id)['name']} is active")


def key_table(keys: Iterable[Json]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("id", "name", "role", "collections", "state", "expires", "used"):
        table.add_column(column, no_wrap=column not in ("name", "collections"), overflow="fold")
    for key in keys:
        table.add_row(
            key["id"] or "API_KEYS",
            escape(key["name"]),
            key["role"],
            escape(", ".join(key["collections"])),
            f"[{_COLOURS.get(key['state'], 'default')}]{_state(key)}[/]",
            _or_nothing(key["expires_at"], lambda at: clock(at)[: len("2026-11-23")]),
            _or_nothing(key["last_used_at"], lambda at: f"{age(at)} ago"),
        )
    return table


def _state(key: Json) -> str:
    return f"{key['state']}, rotated" if key["grace_until"] else str(key["state"])


def _or_nothing(at: str | None, shown: Callable[[str], str]) -> str:
    return shown(at) if at else "–"


def _expiry(days: float | None) -> Json:
    return {} if days is None else {"expires_at": (datetime.now(UTC) + timedelta(days=days)).isoformat()}


def _show_once(key: Json, *, as_json: bool) -> None:
    """The key on stdout, alone, so that it can be piped into where it is kept."""
    if as_json:
        print(json.dumps(key, ensure_ascii=False, indent=2))
        return
    scope = ", ".join(key["collections"])
    print(f"{key['name']} ({key['id']}): {key['role']} on {scope}. {_ONCE}", file=sys.stderr)
    print(key["key"])
