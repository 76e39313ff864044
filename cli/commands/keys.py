"""``aegis keys``: create, list, rotate, revoke and activate keys. A key itself is shown once."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Annotated

import typer

from cli.commands import ids
from cli.commands.call import Call, asks_api, shows_data
from cli.shell.groups import group
from cli.tables.views import Column, View
from cli.units import age, clock
from rag.system.printable import one_line
from rag.web.jsontypes import Json

app = group(
    "Create, list, rotate, revoke and activate keys. Takes an admin's key that reaches all collections.",
    no_args_is_help=True,
)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="Whole, or a beginning of one alone.")]
Days = Annotated[
    float | None, typer.Option("--days", min=0.001, help="Days until it expires; default: never.")
]
_COLOURS = {"active": "green", "suspended": "yellow", "expired": "dim", "revoked": "dim"}
_ONCE = (
    "It is shown this once: keep it where secrets are kept. Send it as AEGIS_API_KEY, or as a Bearer token."
)


def _time(at: str | None, show: Callable[[str], str]) -> str:
    return show(at) if at else "–"


KEYS = View(
    columns=(
        Column("id", lambda row: str(row["id"] or "API_KEYS")),
        Column("name", lambda row: str(row["name"]), wraps=True),
        Column("role", lambda row: str(row["role"])),
        Column("collections", lambda row: ", ".join(row["collections"]), wraps=True),
        Column("state", lambda row: f"{row['state']}{', rotated' * bool(row['grace_until'])}",
            style=lambda row: _COLOURS.get(row["state"], "")),
        Column("expires", lambda row: _time(row["expires_at"], clock)[: len("2026-11-23")]),
        Column("used", lambda row: _time(row["last_used_at"], lambda at: f"{age(at)} ago"),
            lambda row: _time(row["last_used_at"], age)),
    ),
    fields=(
        "id", "name", "role", "collections", "state", "created_at", "created_by", "expires_at", "revoked_at",
        "last_used_at", "grace_until", "restored_from",
    ),
    none="There are no keys: nobody needs one.",
)  # fmt: skip


@app.command()
@shows_data
def create(
    call: Call,
    name: Annotated[str, typer.Argument(help="Whom it is for; no two keys have the same.")],
    role: Annotated[str, typer.Option(help="read, write or admin.")],
    collections: Annotated[
        list[str], typer.Option("--collection", help="One that it reaches, repeated for more; * for all.")
    ],
    days: Days = None,
) -> None:
    """Make a key. The first one is an admin's for all collections; from then on nobody comes in without."""
    fields: Json = {"name": name, "role": role, "collections": collections, **_expiry(days)}
    with call.client() as client:
        _show_once(call, client.make_key(**fields))


@app.command(name="list")
@shows_data
def show_all(call: Call) -> None:
    """Every key with what it may do, how it stands, and when it was last used."""
    with call.client() as client:
        call.show_rows(client.made_keys(), KEYS)


@app.command()
@shows_data
def rotate(
    call: Call,
    key_id: KeyId,
    grace: Annotated[
        float, typer.Option(min=0, max=720, help="Hours for which the former secret stays good; 0: none.")
    ] = 24,
    days: Days = None,
) -> None:
    """Give a key a new secret. The former one stays good for a while, so that nobody is cut off."""
    if isnan(grace):
        raise typer.BadParameter("--grace is no number")
    options = {"grace_seconds": round(grace * 3600), **_expiry(days)}
    with call.client() as client:
        _show_once(call, client.rotate_key(ids.key_id(client, key_id), **options))


@app.command()
@asks_api
def revoke(call: Call, key_id: KeyId) -> None:
    """End a key for good, from the next request on. After the last admin's, API_KEYS alone lets one in."""
    with call.client() as client:
        revoked = client.revoke_key(ids.key_id(client, key_id))
        print(one_line(f"{revoked['name']} is revoked"))


@app.command()
@asks_api
def activate(
    call: Call,
    key_ids: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    restored: Annotated[bool, typer.Option("--restored", help="All that a restore brought back.")] = False,
) -> None:
    """Let keys in again that a restore brought back, after a look at which should not be."""
    if bool(key_ids) == restored:
        raise typer.BadParameter("name either ids, or --restored")
    with call.client() as client:
        suspended = (each["id"] for each in client.made_keys() if each["state"] == "suspended")
        for key_id in [ids.key_id(client, each) for each in key_ids or suspended]:
            print(one_line(f"{client.activate_key(key_id)['name']} is active"))


def _expiry(days: float | None) -> Json:
    """BadParameter for a date that does not exist."""
    if days is None:
        return {}
    try:
        return {"expires_at": (datetime.now(UTC) + timedelta(days=days)).isoformat()}
    except (OverflowError, ValueError) as error:
        raise typer.BadParameter(f"--days: {days:g} days from now is no date") from error


def _show_once(call: Call, key: Json) -> None:
    """Print the key alone on stdout, so that it can be piped to where secrets are kept."""
    if not call.for_people:
        call.show_one(key, lambda _: ())
        return
    scope = ", ".join(key["collections"])
    print(one_line(f"{key['name']} ({key['id']}): {key['role']} on {scope}. {_ONCE}"), file=sys.stderr)
    print(one_line(key["key"]))
