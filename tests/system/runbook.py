"""The commands of a runbook, to be run as they stand there."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^\d+\. \*\*(.+?)\*\*", re.MULTILINE)
_FAILS = "# fails\n"


@dataclass(frozen=True, slots=True)
class Block:
    """Shell commands; ``fails``: they end with another status than 0."""

    text: str
    fails: bool

    def run(self, environment: Mapping[str, str], seconds: float, folder: Path | None = None) -> str:
        """What it prints in ``folder`` within ``seconds``. AssertionError for another end than expected."""
        ended = subprocess.run(
            ["sh", "-euc", self.text],
            env=dict(environment), cwd=folder, capture_output=True, text=True, check=False, timeout=seconds,
        )  # fmt: skip
        told = f"{self.text}{ended.stdout}{ended.stderr}"
        assert (ended.returncode != 0) == self.fails, f"status {ended.returncode}: {told}"
        return told


def sections(document: Path) -> dict[str, tuple[Block, ...]]:
    """The blocks under each heading of the second level that has any."""
    found = {title: _blocks(text) for title, text in _texts(document).items()}
    return {title: blocks for title, blocks in found.items() if blocks}


def steps(document: Path, section: str) -> dict[str, tuple[Block, ...]]:
    """The blocks of each numbered step of a section, by the step's name."""
    _, *pieces = _STEP.split(_texts(document)[section])
    return {name: _blocks(text) for name, text in _pairs(pieces)}


def _texts(document: Path) -> dict[str, str]:
    _, *pieces = _SECTION.split(document.read_text("utf-8"))
    return dict(_pairs(pieces))


def _pairs(pieces: list[str]) -> list[tuple[str, str]]:
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def _blocks(text: str) -> tuple[Block, ...]:
    return tuple(map(_block, _BLOCK.findall(text)))


def _block(found: tuple[str, str]) -> Block:
    text = dedent(found[1])
    return Block(text, text.startswith(_FAILS))
