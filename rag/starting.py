"""Prepares a process: its log, its files and its memory, and the message when it cannot start."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rag import isolation
from rag.errors import AegisError, ConfigurationError, Refused
from rag.folders import keep_private
from rag.printable import log_printable_lines, printable, write_plainly
from rag.settings import Settings


@contextmanager
def starting(process: str, *, status: int = os.EX_UNAVAILABLE) -> Iterator[None]:
    """Run the block as the start of ``process``, and let only its owner read what it writes from then on.

    An AegisError ends it with ``status``; each line of its message goes to stderr, without a traceback.
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
    """Refuse other processes of the same user this one's memory and environment, which hold secrets.

    PROCESS_INSPECTION=true allows them. Only Linux can refuse.
    """
    if settings.process_inspection:
        isolation.allow_inspection()
    else:
        isolation.forbid_inspection()


@contextmanager
def first_call() -> Iterator[None]:
    """Run the first call to a server: that it refuses us at the start is a ConfigurationError."""
    try:
        yield
    except Refused as error:
        raise ConfigurationError(str(error)) from error


def log_as(part: str, settings: Settings, level: int | str | None = None) -> None:
    """Have this process log to stderr in one format: time, level, part, logger, message.

    Python's warnings are logged too, and what a library had set up is replaced. ``level`` None: LOG_LEVEL.
    """
    log_printable_lines()
    logging.basicConfig(
        level=level or settings.log_level,
        format=settings.log_format.replace("%(levelname)s", f"%(levelname)s {part}", 1),
        stream=sys.stderr,
        force=True,
    )
    logging.captureWarnings(True)
