"""What a process is started with that not every command can bear, put right before one is read."""

import os
import sys

_NARROWEST = 20


def mend_surroundings() -> None:
    """Streams that are closed lead nowhere; COLUMNS counts where it is a width that can be written in."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - no file
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdecimal() and len(columns) < 5 and int(columns) >= _NARROWEST):
        os.environ.pop("COLUMNS", None)


def silence_output() -> None:
    """Nothing is written any more: what could not be is written again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
