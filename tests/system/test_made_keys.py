"""A real stack that asks for keys: it gets ready all the same, and a revoked key opens no process of it."""

import json
import subprocess
import sys
from dataclasses import replace

import httpx
import pytest

from tests.system.running import Stack

ROOT = "root-of-all-the-keys"
KEYS = {ROOT: {"name": "root", "role": "admin", "collections": ["*"]}}
TRIES = 30
"""Connections, so that each of the processes gets some."""


@pytest.fixture
def asking(own_stack: Stack) -> Stack:
    environment = {
        **own_stack.environment,
        "API_KEYS": json.dumps(KEYS),
        "API_KEY": ROOT,
        "API_WORKERS": "3",
    }
    stack = replace(own_stack, environment=environment)
    stack.start()
    own_stack.process = stack.process
    return stack.until_ready()


def aegis(stack: Stack, *arguments: str) -> str:
    command = [sys.executable, "-m", "cli.main", *arguments]
    done = subprocess.run(
        command, env=dict(stack.environment), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def statuses(stack: Stack, key: str) -> set[int]:
    """Of the same call on many connections."""
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    return {httpx.get(f"{stack.url}/v1/jobs", headers=headers, timeout=60).status_code for _ in range(TRIES)}


def test_a_key_is_made_used_and_revoked(asking: Stack) -> None:
    key = aegis(asking, "keys", "create", "ci", "--role", "read", "--collection", "*").strip()
    key_id = key.split("_")[1]
    assert statuses(asking, key) == {200}
    hidden = httpx.get(f"{asking.url}/health/ready").json()["components"]
    assert {str(component["detail"]) for component in hidden.values()} == {"{}"}

    aegis(asking, "keys", "revoke", key_id)

    assert statuses(asking, key) == {401}
    (revoked,) = (
        each for each in json.loads(aegis(asking, "keys", "list", "--json")) if each["id"] == key_id
    )
    assert (revoked["state"], revoked["last_used_at"] is None) == ("revoked", False)
    lines = [json.loads(line) for line in aegis(asking, "audit", "--json").splitlines()]
    assert [(line["method"], line["key"]) for line in lines] == [("DELETE", "root"), ("POST", "root")]
    logs = b"".join(path.read_bytes() for path in (asking.home / "logs").rglob("*") if path.is_file())
    assert b"aegis.audit" in logs
    assert key.encode() not in logs
    assert ROOT.encode() not in logs
