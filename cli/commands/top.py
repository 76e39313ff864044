"""``aegis top``: lanes, workers, jobs and what the API needs, live in the terminal."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from cli.client.client import Client
from cli.client.load import Load, LoadReader
from cli.commands.call import Call, asks_api
from cli.commands.status import PARTS
from cli.shell.keyboard import Keyboard, keyboard
from cli.tables.load import render
from cli.tables.tables import console_on, print_on
from rag.system.printable import steering_to_json

_BETWEEN_SECONDS = 1.1
"""Between the two looks of --once: an answer may be a second old, and rates need two that differ."""


@asks_api
def top(
    call: Call,
    once: Annotated[bool, typer.Option("--once", help="Show it once, with the rates of one second.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each look.")] = False,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=0.5, help="How often to look.")] = 2.0,
) -> None:
    """Lanes, workers, jobs and what the API needs, until q or Ctrl-C. An API that goes away may come back."""
    with call.client() as client, keyboard() as keys:
        loads = _second_look(client, keys) if once else _looks(client, keys, every)
        if as_json:
            for load in loads:
                print(steering_to_json(json.dumps(load.as_json(), ensure_ascii=False)), flush=True)
            return
        about = f"Aegis {client.health()['version']} at {client.url}"
        console = console_on(sys.stdout)
        if once or not console.is_terminal or console.is_dumb_terminal:
            for load in loads:
                print_on(console, render(load, PARTS, about, console.width), sys.stdout)
        else:
            _show_live(loads, f"{about} · q ends", console)


def _show_live(loads: Iterable[Load], about: str, console: Console) -> None:
    """On a screen of its own, which leaves the terminal as it was."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for load in loads:
            live.update(render(load, PARTS, about, console.width), refresh=True)


def _looks(client: Client, keys: Keyboard, every: float) -> Iterator[Load]:
    """A look every so many seconds, until q is pressed; any other key looks at once."""
    reader = LoadReader(client)
    while True:
        yield reader.read()
        if keys.wait(every).lower() == "q":
            return


def _second_look(client: Client, keys: Keyboard) -> Iterator[Load]:
    """One look that knows rates."""
    reader = LoadReader(client)
    reader.read()
    keys.wait(_BETWEEN_SECONDS)
    yield reader.read()
