"""README's shell blocks, as a reader pastes them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS: tuple[str, ...] = tuple(re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))


def block_with(command: str) -> str:
    """The one block that has ``command`` in it."""
    (found,) = [block for block in BLOCKS if command in block]
    return found
