"""How the command line prints what comes from outside: as it is meant, steering nothing."""

import json
import sys

from rag.printable import one_line, printable, steering_to_json


def shown(text: object) -> str:
    """A name, title or reason in one line, for rich: neither markup nor an escape sequence acts."""
    from rich.markup import escape  # noqa: PLC0415 - help and JSON do without

    return escape(one_line(str(text)))


def paragraphs(text: str) -> str:
    """The same for what may have lines."""
    from rich.markup import escape  # noqa: PLC0415 - as above

    return escape(printable(text))


def print_json(found: object) -> None:
    """To standard output, as a terminal may have it; in ASCII where that does not speak UTF-8."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(steering_to_json(json.dumps(found, ensure_ascii=plain, indent=2)))
