"""Makes text from outside safe for terminals and logs: steering characters are shown as escapes.

Titles, file names and messages of other servers may hold escape sequences (ECMA-48), line breaks that
forge a line, and marks that change the direction of text (Unicode, UAX 9).
"""

import codecs
import re
import sys
from io import TextIOWrapper

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line and paragraph separators, directions
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # lone surrogates, and what shows as nothing
)
_BREAKS = {ord("\n"): r"\n", ord("\t"): " "}
_PLAIN = {
    "✓": "ok", "✗": "x", "■": "-", "·": "-", "•": "-", "…": "...", "›": ">", "→": "->", "×": "x",
    "≥": ">=", "≤": "<=",
    "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"',
    "\u201d": '"', "\u201e": '"', "\xa0": " ", "\u202f": " ",
}  # fmt: skip
_PLAINLY = "aegis.plainly"


def printable(text: str) -> str:
    """``text`` with its line breaks and tabs; other steering characters become escapes such as ``\\x1b``."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """``text`` in one line: its line breaks become escapes too."""
    return printable(text.strip("\r\n")).translate(_BREAKS)


def steering_to_json(text: str) -> str:
    """An equal JSON document, in which steering characters are escapes such as ``\\u001b``."""

    def utf16_escapes(found: re.Match[str]) -> str:
        units = found[0].encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return _STEERING.sub(utf16_escapes, text)


def write_plainly() -> None:
    """Have this process write on terminals of any encoding, where characters that it lacks become ASCII.

    ✓ becomes "ok", for example. In UTF-8 nothing changes.
    """
    codecs.register_error(_PLAINLY, _to_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors != _PLAINLY:
            stream.reconfigure(errors=_PLAINLY)


def _to_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """A codec's error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = ""
    for each in error.object[error.start : error.end]:
        is_spinner = "\u2800" <= each <= "\u28ff"  # Braille patterns
        escaped = "*" if is_spinner else each.encode("ascii", "backslashreplace").decode()
        written += _PLAIN.get(each, escaped)
    return written, error.end
