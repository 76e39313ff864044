"""README's shell blocks, as a reader pastes them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS: tuple[str, ...] = tuple(re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))


def block_with(command: str) -> str:
    """The one block that has ``command`` in it."""
    (found,) = [block for block in BLOCKS if command in block]
    return found


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects in ``text``, one after the other."""
    decoder = json.JSONDecoder()
    while text := text.strip():
        found, end = decoder.raw_decode(text)
        yield found
        text = text[end:]
