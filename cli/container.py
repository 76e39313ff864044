"""What a container runs: one part of the stack, in place of this process.

``python -m cli.container worker-embed``. The parts are those of ``aegis up``, with the same
names and commands. What the supervisor does there – order, restarts, the goodbye – is the
container runtime's business here.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cli.part import Part
from cli.stack import API, FLOWER, parts
from cli.up import environment
from rag.errors import AegisError, ConfigurationError
from rag.exposure import require_closed_api, require_closed_flower
from rag.folders import keep_private, private_folder
from rag.printable import printable
from rag.settings import Settings, load

_CLOSED = {API: require_closed_api, FLOWER: require_closed_flower}


def choose(arguments: Sequence[str], settings: Settings) -> Part:
    """The part that the one argument names. ConfigurationError that lists what there is, and for one that
    would let everybody in."""
    known = {part.name: part for part in parts(settings)}
    if len(arguments) != 1 or arguments[0] not in known:
        raise ConfigurationError(f"name one part to run; with these settings there are {', '.join(known)}")
    part = known[arguments[0]]
    if part.name in _CLOSED:
        _CLOSED[part.name](settings)
    return part


def become(part: Part, settings: Settings) -> NoReturn:
    """Go on as the part's program, in the folder that parts run in. Raises OSError."""
    keep_private()
    private_folder(settings.run_dir)
    os.chdir(settings.run_dir)
    os.execvpe(part.command[0], list(part.command), {**environment(settings), **part.environment})  # noqa: S606 - no shell is meant


def main() -> NoReturn:
    try:
        settings = load()
        become(choose(sys.argv[1:], settings), settings)
    except (AegisError, OSError) as error:
        sys.exit("\n".join(f"aegis: {line}" for line in printable(str(error)).splitlines()))


if __name__ == "__main__":
    main()
