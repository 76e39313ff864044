"""The commands of a runbook, to be run as they stand there."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FAILS = "# fails\n"
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Block:
    """Shell commands; ``fails``: they end with another status than 0."""

    text: str
    fails: bool

    def run(self, environment: Mapping[str, str]) -> str:
        """What it prints. AssertionError for another end than it should have."""
        ended = subprocess.run(
            ["sh", "-euc", self.text],
            env=dict(environment), capture_output=True, text=True, check=False, timeout=_SECONDS,
        )  # fmt: skip
        told = f"{self.text}{ended.stdout}{ended.stderr}"
        assert (ended.returncode != 0) == self.fails, f"status {ended.returncode}: {told}"
        return told


def sections(document: Path) -> dict[str, tuple[Block, ...]]:
    """The blocks under each heading of the second level that has any."""
    _, *pieces = _SECTION.split(document.read_text("utf-8"))
    found = {title: tuple(map(_block, _BLOCK.findall(text))) for title, text in _pairs(pieces)}
    return {title: blocks for title, blocks in found.items() if blocks}


def _pairs(pieces: list[str]) -> list[tuple[str, str]]:
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def _block(found: tuple[str, str]) -> Block:
    text = dedent(found[1])
    return Block(text, text.startswith(_FAILS))
