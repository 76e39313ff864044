"""Every attack at once, for as long as the option says, on a real stack; a normal caller notices nothing.

``make soak`` takes 30 minutes of it.
"""

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
import pytest

from rag.model import Json
from tests.soak.attacker import Target
from tests.soak.attackers import Attack
from tests.system.running import Stack, stack_in, until

NORMAL, HOSTILE = "normal-key-of-16-characters", "hostile-key-of-16-characters"
KEYS = {
    NORMAL: {"name": "normal", "role": "write", "collections": ["normal"]},
    HOSTILE: {"name": "hostile", "role": "write", "collections": ["hostile"]},
}
FACTS = {
    "The lighthouse of Brennholm was lit in 1874.": ("When was the lighthouse of Brennholm lit?", "1874"),
    "The ferry to Osterby leaves at half past six.": (
        "When does the ferry to Osterby leave?",
        "half past six",
    ),
    "The archive of Lindau holds 40,312 maps.": ("How many maps does the archive of Lindau hold?", "40,312"),
}
ANSWER_SECONDS = 2.0
HANGS_SECONDS = 120
"""In which a stack that works ends another job: it has ten thousand of the attackers' when they are gone."""
GROWTH = 1.25
"""Of the stack's memory, from the second quarter of the run to the last; allocators keep what they had."""


@dataclass
class Normal:
    """A caller like any other: it asks, and notes how long it took, and where a slow answer spent it."""

    client: httpx.Client
    seconds: list[float] = field(default_factory=list)
    slow: list[tuple[float, Json]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        for text in FACTS:
            body = {"text": text, "collection": "normal"}
            answer = self.client.post("/v1/documents", json=body, headers={"Prefer": "wait=30"})
            assert answer.json()["state"] == "succeeded", answer.text

    def ask(self, number: int) -> None:
        question, expected = list(FACTS.values())[number % len(FACTS)]
        body = {"question": f"{question} ({number})", "collection": "normal"}  # none is known from before
        began = time.monotonic()
        answer = self.client.post("/v1/queries", json=body, headers={"Prefer": "wait=30"})
        self.seconds.append(time.monotonic() - began)
        if answer.status_code != 200 or expected not in answer.json()["result"]["answer"]:
            self.wrong.append(answer.text[:500])
        elif self.seconds[-1] >= ANSWER_SECONDS:
            self.slow.append((self.seconds[-1], answer.json()["result"]["timings_ms"]))


@pytest.fixture
def stack() -> Iterator[Stack]:
    with TemporaryDirectory(prefix="aegis-soak-") as home:
        running = stack_in(Path(home), API_KEYS=json.dumps(KEYS), PARSE_TIMEOUT="5", PARSE_MEMORY_MB="512")
        try:
            yield running.start().until_ready()
        finally:
            running.stop()


def memory_of(stack: Stack) -> int:
    """Bytes of all processes of the stack, shared pages counted once."""
    total = 0
    for process in stack.processes():
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # gone meanwhile
            continue
    return total


def documented(client: httpx.Client) -> dict[tuple[str, str], set[int]]:
    paths: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    return {
        (method.upper(), path): {int(status) for status in operation["responses"]}
        for path, operations in paths.items()
        for method, operation in operations.items()
        if isinstance(operation, dict)
    }


def test_a_normal_caller_notices_nothing(stack, pytestconfig):
    minutes = pytestconfig.getoption("--soak-minutes")
    headers = {"Authorization": f"Bearer {NORMAL}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
        normal, attack = Normal(client), Attack(Target(stack.url, stack.api_port, stack.flower_port, HOSTILE))
        normal.prepare()
        normal.ask(-1)
        normal.seconds.clear()
        parts = json.loads((stack.home / "stack.json").read_text())["parts"]
        memory: list[int] = []

        attack.begin()
        until_when, number = time.monotonic() + 60 * minutes, 0
        while time.monotonic() < until_when:
            normal.ask(number)
            memory.append(memory_of(stack))
            number += 1
            time.sleep(1)
        report = attack.end()
        known = documented(client)

        assert report.failures == []
        assert normal.wrong == []
        assert not normal.slow, f"{normal.slow} of {normal.seconds}, load {os.getloadavg()}"
        assert {call: met - known[call] for call, met in report.answers.items() if met - known[call]} == {}
        now = json.loads((stack.home / "stack.json").read_text())["parts"]
        assert {name: part["pid"] for name, part in now.items()} == {
            name: part["pid"] for name, part in parts.items()
        }, "a part was restarted"
        quarter = len(memory) // 4
        assert statistics.median(memory[-quarter:]) < GROWTH * statistics.median(
            memory[quarter : 2 * quarter]
        )
        work_off(client)


def work_off(client: httpx.Client) -> None:
    """Wait until no job is open. Their number may not stay the same, or grow, for two minutes."""
    least = open_jobs(client)
    while least:
        until(lambda most=least: open_jobs(client) < most, HANGS_SECONDS)
        least = open_jobs(client)


def open_jobs(client: httpx.Client) -> int:
    """Queued or running, of all callers."""
    lines = client.get("/metrics").text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("aegis_open_jobs{"))
