"""The commands that pages name: whether ``aegis`` knows them, and which services and workloads there are."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import typer
import yaml
from typer.main import get_command

from cli.main import LAZY_COMMANDS, app

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ("Deployment", "StatefulSet")
_COMMANDS = getattr(get_command(app), "commands")  # noqa: B009 - click's groups are no type of typer's


def commands_in(text: str) -> Iterator[str]:
    """Each line of a block of shell, and each piece of code in the text that begins as a command does."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    yield from (line for block in blocks for line in block.splitlines())
    yield from re.findall(r"(?<!`)`((?:aegis|docker compose|kubectl) [^`]+)`", text)


def find_fault(command: str) -> str | None:
    """What is wrong with a command of ``aegis``; None when it may be typed as it stands."""
    name, *words = shlex.split(command)[1:]
    known = _load(name)
    if known is None:
        return f"there is no command {name}"
    if words and words[0] in getattr(known, "commands", {}):
        known = known.commands[words.pop(0)]
    options = {option for each in known.params for option in (*each.opts, *each.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in options]
    if unknown:
        return f"{unknown[0]} is no option"
    needed = [each for each in known.params if each.param_type_name == "argument" and each.required]
    return f"{needed[0].name} is missing" if needed and not words else None


def _load(name: str) -> Any:
    """The command itself, None without one: those that are imported late have stand-ins until then."""
    if name not in LAZY_COMMANDS:
        return _COMMANDS.get(name)
    found = resolve_name(LAZY_COMMANDS[name][0])
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer()
    alone.command()(found)
    return get_command(alone)


def compose_services() -> set[str]:
    return set(yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"])


def workloads() -> set[str]:
    """Such as ``deployment/aegis-beat``, of all manifests."""
    files = (ROOT / "deploy/k8s").rglob("*.yaml")
    manifests = [each for file in files for each in yaml.safe_load_all(file.read_text("utf-8")) if each]
    return {
        f"{each['kind'].lower()}/{each['metadata']['name']}"
        for each in manifests
        if isinstance(each, dict) and each.get("kind") in WORKLOADS
    }
