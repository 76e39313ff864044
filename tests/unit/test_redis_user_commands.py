"""What our scripts call, the users of ``deploy/redis/users.acl`` may."""

import re
from pathlib import Path

import kombu.transport.redis
import pytest
from redis.commands import CoreCommands

ROOT = Path(__file__).resolve().parents[2]
CALLED = re.compile(r"redis\.p?call\(\s*['\"]([A-Za-z]+)")

RECORDS = ("redis", "jobs", "registry", "recovery")
"""The rooms of ``rag`` whose modules call Redis."""

SENT = re.compile(r"(?:\b_?client|\bpipeline|\bpubsub)\.([a-z]+)\(")


def users() -> dict[str, set[str]]:
    """The commands of each, by its name."""
    lines = (line.split() for line in (ROOT / "deploy/redis/users.acl").read_text().splitlines())
    return {words[1]: {word[1:] for word in words if word.startswith("+")} for words in lines}


def called(*groups: str) -> set[str]:
    files = [file for group in groups for file in (ROOT / "rag").rglob(f"{group}.lua")]
    assert files
    return {name.lower() for file in files for name in CALLED.findall(file.read_text("utf-8"))}


@pytest.mark.parametrize("user", ["aegis-api", "aegis-worker", "aegis-supervisor"])
def test_whoever_keeps_records_may_call_what_any_script_calls(user: str) -> None:
    assert called("*") - users()[user] == set()


@pytest.mark.parametrize("user", ["aegis-api", "aegis-supervisor"])
def test_whoever_serves_callers_may_call_what_the_stores_call_without_a_script(user: str) -> None:
    files = [file for room in RECORDS for file in (ROOT / "rag" / room).glob("*.py")]
    names = {name for file in files for name in SENT.findall(file.read_text("utf-8"))}
    commands = {name for name in names if hasattr(CoreCommands, name)}
    assert "xrevrange" in commands
    assert commands - users()[user] == set()


@pytest.mark.parametrize("user", ["aegis-api", "aegis-worker", "aegis-beat", "aegis-flower"])
def test_whoever_has_a_queue_may_call_what_the_scripts_of_kombu_call(user: str) -> None:
    commands = {
        name.lower() for name in CALLED.findall(Path(kombu.transport.redis.__file__).read_text("utf-8"))
    }
    assert commands
    assert commands - users()[user] == set()


def test_beat_may_call_what_its_script_calls() -> None:
    assert called("schedule") - users()["aegis-beat"] == set()


def test_whoever_starts_the_others_may_do_what_they_may() -> None:
    known = users()
    others = set().union(*(commands for user, commands in known.items() if user != "aegis-supervisor"))
    assert others - known["aegis-supervisor"] == set()
    assert known["default"] == set()
