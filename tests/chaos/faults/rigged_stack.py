"""``aegis up`` with parts that have traps in them: ``python -m tests.chaos.faults.rigged_stack``.

The supervisor, the order, the probes and the arguments are those of ``cli.stack``; only the
module that a part starts from is another one, which wraps the part's own.
"""

import sys
from dataclasses import replace

from cli import stack
from cli.display import Display
from cli.part import Part
from cli.up import up
from rag.settings import Settings, load

RIGGED = {
    "workers.main": "tests.chaos.faults.rigged_worker",
    "rag.stores.vectors.engine": "tests.chaos.faults.rigged_engine",
    "api.server": "tests.chaos.faults.rigged_api",
}

_parts = stack.parts


def parts(settings: Settings) -> list[Part]:
    """The stack's parts, those that can be rigged from their rigged modules."""
    return [
        replace(part, command=[RIGGED.get(word, word) for word in part.command]) for part in _parts(settings)
    ]


if __name__ == "__main__":
    stack.parts = parts
    sys.exit(up(load(), Display()))
