"""The first looks of all runbooks, typed at a running stack."""

import os
import sys
from pathlib import Path

import pytest

from tests.system.runbook import Block, sections
from tests.system.running import Stack
from tests.unit.test_runbooks import PAGES

LOOKS = sorted(
    {
        line
        for page in PAGES
        for block in sections(page)["First look"]
        for line in block.text.splitlines()
        if line.startswith("aegis ")
    }
)
ENDED = "case $? in 0|1) ;; *) exit 1;; esac"
"""A look may end with 1: it found something. 2 is a wrong command, 3 that nobody answers."""


def test_there_are_looks() -> None:
    assert len(LOOKS) > 10


@pytest.mark.parametrize("command", LOOKS)
def test_a_first_look_can_be_typed_and_shows_something(stack: Stack, command: str) -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**stack.environment, "PATH": programs, "COLUMNS": "240"}

    told = Block(f"set +e\n{command}\n{ENDED}\n", fails=False).run(environment, 60)

    assert "Traceback" not in told
    assert len(told.splitlines()) > 3, "the three lines are the command's own"
