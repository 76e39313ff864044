"""Text from outside, made fit for terminals and logs: what would steer them is shown instead.

Titles, file names and phrases of far servers may hold escape sequences (ECMA-48), line breaks
that forge a line, and marks that turn the direction of what is written (Unicode, UAX 9).
"""

import codecs
import logging
import re
import sys
from io import TextIOWrapper
from traceback import TracebackException
from types import TracebackType

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line and paragraph separators, directions
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # lone surrogates, and what shows as nothing
)
_BREAKS = {ord("\n"): r"\n", ord("\t"): " "}
_CAUSES = (" ", "Traceback ", "\n", "+")
_PLAIN = {
    "✓": "ok", "✗": "x", "■": "-", "·": "-", "•": "-", "…": "...", "›": ">", "→": "->", "×": "x",
    "≥": ">=", "≤": "<=",
    "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"',
    "\u201d": '"', "\u201e": '"', "\xa0": " ", "\u202f": " ",
}  # fmt: skip
_PLAINLY = "aegis.plainly"


def printable(text: str) -> str:
    """``text`` with its line breaks and tabs; anything else that steers as ``\\x1b``."""
    return _STEERING.sub(_escaped, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """``text`` in one line: its line breaks too are shown."""
    return printable(text.strip("\r\n")).translate(_BREAKS)


def steering_to_json(text: str) -> str:
    """A JSON document that says the same, and in which what steers is written as ``\\u001b``."""
    return _STEERING.sub(lambda found: _utf16(found[0]), text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class PrintableRecord(logging.LogRecord):
    """A log record of one line; a traceback behind it has one for each exception's own text.

    Whichever formatter writes it, since each asks the record for its message.
    """

    def getMessage(self) -> str:  # noqa: N802 - its name in logging
        if self.exc_info and not self.exc_text:
            self.exc_text = _traceback(self.exc_info)
        return one_line(super().getMessage())


def log_printable_lines() -> None:
    """Have this process log nothing else, on a terminal of whatever encoding."""
    write_plainly()
    logging.setLogRecordFactory(PrintableRecord)


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def _traceback(info: _ExcInfo) -> str | None:
    kind, error, frames = info
    if kind is None or error is None:
        return None
    entries = TracebackException(kind, error, frames).format()
    return "\n".join(
        printable(entry.rstrip("\n")) if entry.startswith(_CAUSES) else one_line(entry) for entry in entries
    )


def write_plainly() -> None:
    """Have this process write on terminals of any encoding: what one cannot show is written in ASCII, ✓ as
    "ok", and never ends a command. In UTF-8 all stays as it is."""
    codecs.register_error(_PLAINLY, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors != _PLAINLY:
            stream.reconfigure(errors=_PLAINLY)


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """A codec's error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, _escaped_ascii(each)) for each in refused), error.end


def _escaped_ascii(character: str) -> str:
    """Braille is what spinners are made of."""
    return (
        "*" if "\u2800" <= character <= "\u28ff" else character.encode("ascii", "backslashreplace").decode()
    )
