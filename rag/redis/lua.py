"""The texts of our Lua scripts, as Redis runs them."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType

_BLOCKS, _COMMENT = re.compile(r"\n\n(?=\S)"), re.compile(r"--.*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_DECLARED = re.compile(r"^local (?:function )?([\w, ]+)", re.MULTILINE)


def script_texts(
    place: str, *, fenced: bool = True, numbers: Mapping[str, Sequence[float]] = MappingProxyType({})
) -> dict[str, str]:
    """The scripts of ``rag/PLACE.lua`` by name, each behind what it uses of the file's head.

    A line ``-- == name ==`` begins a script. The head is what stands before the first of them. ``fenced``:
    a server that lost its records refuses them. ``numbers``: lists that they know under these names.
    """
    text = (files("rag") / f"{place}.lua").read_text("utf-8")
    head, *scripts = text.removesuffix("\n").split("\n-- == ")
    given = (f"local {name} = {{{', '.join(map(str, each))}}}" for name, each in numbers.items())
    blocks = [*given, *_BLOCKS.split(head)]
    fence = (files("rag") / "redis/fence.lua").read_text("utf-8") if fenced else ""
    named = (script.split(" ==\n", 1) for script in scripts)
    return {name: f"{fence}{_used(blocks, body)}\n{body}\n" for name, body in named}


def _used(blocks: Sequence[str], body: str) -> str:
    """Those of ``blocks`` that ``body`` uses, or one of them that it uses.

    Redis runs the head anew with each script. With all of it, that was a quarter of a script's time.
    """
    used: list[str] = []
    words = _words(body)
    for block in reversed(blocks):
        names = {name for names in _DECLARED.findall(block) for name in _WORD.findall(names)}
        if not names or names & words:
            used.insert(0, block)
            words |= _words(block)
    return "\n\n".join(used)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(_COMMENT.sub("", text)))
