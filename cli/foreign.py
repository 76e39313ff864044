"""What a Redis or Valkey server prints, as lines in the format of all parts."""

import re
from datetime import datetime

_LINE = re.compile(
    rb"\d{1,10}:[A-Z] (\d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2})\.(\d{3}) ([.*#-]) ([^\n]*\n?)\Z"
)
_LEVELS = {b".": b"DEBUG", b"-": b"INFO", b"*": b"INFO", b"#": b"WARNING"}


def ours(part: str, line: bytes) -> bytes:
    """``line`` with time, level and part in front, where it is one of the server's; else as it is."""
    found = _LINE.match(line)
    try:
        when = datetime.strptime(found[1].decode(), "%d %b %Y %H:%M:%S") if found else None  # noqa: DTZ007 - local
    except ValueError:  # a month of another language
        when = None
    if found is None or when is None:
        return line
    return b"%s,%s %s %s %s" % (str(when).encode(), found[2], _LEVELS[found[3]], part.encode(), found[4])
