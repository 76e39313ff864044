"""One format of log lines for every part: time, level, part, logger, message."""

import logging
import sys

from rag.printable import log_printable_lines
from rag.settings import Settings


def log_as(part: str, settings: Settings, level: int | str | None = None) -> None:
    """Have this process log to standard error from now on, and Python's warnings with it, in place of
    whatever a library had set up. ``level`` None: LOG_LEVEL."""
    log_printable_lines()
    logging.basicConfig(
        level=level or settings.log_level,
        format=settings.log_format.replace("%(levelname)s", f"%(levelname)s {part}", 1),
        stream=sys.stderr,
        force=True,
    )
    logging.captureWarnings(True)
