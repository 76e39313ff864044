"""Standard streams, and text from outside printed so that it cannot control the terminal."""

import json
import os
import sys

from rag.system.printable import one_line, printable, steering_to_json

_NARROWEST = 20


def repair_streams() -> None:
    """Open closed standard streams on the null device. Ignore a COLUMNS that is no usable width."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - stays open
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isascii() and columns.isdecimal() and len(columns) < 5 and int(columns) >= _NARROWEST):
        os.environ.pop("COLUMNS", None)


def silence_output() -> None:
    """Send standard output to the null device: Python would write again at exit what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shown(text: object) -> str:
    """A name, title or reason in one line, for rich: its markup and escape sequences have no effect."""
    from rich.markup import escape  # noqa: PLC0415 - help and JSON do not need it

    return escape(one_line(str(text)))


def paragraphs(text: str) -> str:
    """The same for text of several lines."""
    from rich.markup import escape  # noqa: PLC0415 - as above

    return escape(printable(text))


def print_json(found: object) -> None:
    """To standard output, without control characters; in ASCII where the output is not UTF-8."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(steering_to_json(json.dumps(found, ensure_ascii=plain, indent=2)))
