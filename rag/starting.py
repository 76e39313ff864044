"""How a process that may not start leaves: a line for each reason, no traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rag import isolation
from rag.errors import AegisError, ConfigurationError, Refused
from rag.folders import keep_private
from rag.printable import printable, write_plainly
from rag.settings import Settings


@contextmanager
def starting(process: str, *, status: int = os.EX_UNAVAILABLE) -> Iterator[None]:
    """Around what ``process`` does first: an error of ours ends it with ``status``, told on stderr.

    What it writes from then on is its owner's alone.
    """
    keep_private()
    write_plainly()
    try:
        yield
    except AegisError as error:
        lines = printable(str(error) or error.title).splitlines()
        sys.stderr.writelines(f"{process} cannot start: {line}\n" for line in lines)
        raise SystemExit(status) from error


def shield(settings: Settings) -> None:
    """Keep other processes of the same user out of this one's memory and environment, where there are
    secrets: unless PROCESS_INSPECTION lets them in. Linux; elsewhere nothing changes."""
    if settings.process_inspection:
        isolation.allow_inspection()
    else:
        isolation.forbid_inspection()


@contextmanager
def settling() -> Iterator[None]:
    """Around the first call of a part: one that refuses us now will not serve us later, so it is a
    ConfigurationError."""
    try:
        yield
    except Refused as error:
        raise ConfigurationError(str(error)) from error
