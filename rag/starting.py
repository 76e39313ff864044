"""How a process that may not start leaves: a line for each reason, no traceback."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rag.errors import AegisError, ConfigurationError, Refused
from rag.folders import keep_private
from rag.printable import printable


@contextmanager
def starting(process: str, *, status: int = os.EX_UNAVAILABLE) -> Iterator[None]:
    """Around what ``process`` does first: an error of ours ends it with ``status``, told on stderr.

    What it writes from then on is its owner's alone.
    """
    keep_private()
    try:
        yield
    except AegisError as error:
        lines = printable(str(error) or error.title).splitlines()
        sys.stderr.writelines(f"{process} cannot start: {line}\n" for line in lines)
        raise SystemExit(status) from error


@contextmanager
def settling() -> Iterator[None]:
    """Around the first call of a part: one that refuses us now will not serve us later, so it is a
    ConfigurationError."""
    try:
        yield
    except Refused as error:
        raise ConfigurationError(str(error)) from error
