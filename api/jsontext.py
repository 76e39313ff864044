"""JSON that nobody vouches for, weighed before it is parsed.

A parser makes objects of what it reads: 45 MB of nested braces become 3 GB. So the structure is
looked at first, in one pass with nothing but counters: how deep it goes, and how much there is
of it. One string may be long, a document's text; it is taken out on the way, and never held
in memory as a whole. Grammar: RFC 8259.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO
from uuid import uuid4

DEEPEST = 32
"""Levels of objects and lists. Filters and metadata may have fewer."""
MOST_STRUCTURE = 128 * 1024
"""Bytes of all but the one long string."""
LONG = 32 * 1024
"""Bytes of a string, as it is written, that is taken out."""
PIECE = 64 * 1024

_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SURROGATES_HIGH = range(0xD800, 0xDC00)
_ESCAPE = 6  # characters of the longest escape


class TooMuch(ValueError):  # noqa: N818 - it names a condition
    """What is in it is too deep or too much; the message says which."""


class Weigher:
    """Takes JSON in pieces. ``structure`` is what is to be parsed then, with :attr:`placeholder` in place of
    the string that went to ``long``."""

    def __init__(self, long: IO[bytes] | None = None) -> None:
        """``long`` None: no string may be long."""
        self.structure = bytearray()
        self.placeholder: str | None = None
        self._long = long
        self._inside = False
        self._spooling = False
        self._escaped = b""
        self._string = 0  # where the present string begins in the structure
        self._depth = 0

    def feed(self, piece: bytes) -> None:
        """TooMuch as soon as it is known."""
        piece, self._escaped = self._escaped + piece, b""
        at = 0
        while at < len(piece):
            at = self._within_string(piece, at) if self._inside else self._between_strings(piece, at)

    def _between_strings(self, piece: bytes, at: int) -> int:
        quote = piece.find(b'"', at)
        end = len(piece) if quote < 0 else quote + 1
        if len(self.structure) + end - at > MOST_STRUCTURE:
            raise TooMuch(f"has over {MOST_STRUCTURE} bytes beside the text of a document")
        between = piece[at:end]
        self._descend(between)
        self.structure += between
        self._inside = quote >= 0
        self._string = len(self.structure)
        return end

    def _descend(self, between: bytes) -> None:
        for character in between:
            if character in b"{[":
                self._depth += 1
                if self._depth > DEEPEST:
                    raise TooMuch(f"is nested over {DEEPEST} levels deep")
            elif character in b"}]":
                self._depth -= 1

    def _within_string(self, piece: bytes, at: int) -> int:
        match = _IN_STRING.match(piece, at)
        end = match.end() if match else at
        self._keep(piece[at:end])
        if end == len(piece):
            return end
        if piece[end : end + 1] == b"\\":  # the first half of an escape; the other one is still to come
            self._escaped = piece[end:]
            return len(piece)
        self.structure += b'"'
        self._inside = self._spooling = False
        return end + 1

    def _keep(self, content: bytes) -> None:
        if self._spooling and self._long is not None:
            self._long.write(content)
            return
        self.structure += content
        if len(self.structure) - self._string > LONG:
            self._take_out()
        elif len(self.structure) > MOST_STRUCTURE:
            raise TooMuch(f"has over {MOST_STRUCTURE} bytes beside the text of a document")

    def _take_out(self) -> None:
        if self._long is None or self.placeholder is not None:
            raise TooMuch(f"has a string of over {LONG} bytes; only a document's text may be longer")
        self.placeholder = f"long-{uuid4().hex}"
        self._long.write(self.structure[self._string :])
        self.structure[self._string :] = self.placeholder.encode()
        self._spooling = True


def weigh(file: IO[bytes], long: IO[bytes] | None) -> Weigher:
    """All of ``file``, from where it stands. TooMuch."""
    weigher = Weigher(long)
    while piece := file.read(PIECE):
        weigher.feed(piece)
    return weigher


def content(long: IO[bytes]) -> Iterator[str]:
    """The characters of a string as JSON writes it, from where ``long`` stands, in pieces.

    ValueError where it is no such string, or no Unicode.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    written = high = ""
    while True:
        piece = long.read(PIECE)
        written += decoder.decode(piece, final=not piece)
        cut = _cut(written) if piece else len(written)
        text = high + json.loads(f'"{written[:cut]}"')
        written, high = written[cut:], ""
        if text and ord(text[-1]) in _SURROGATES_HIGH and piece:
            text, high = text[:-1], text[-1]
        yield _joined(text)
        if not piece:
            return


def _cut(written: str) -> int:
    """Where ``written`` may be cut without cutting an escape."""
    at = written.find("\\", max(0, len(written) - _ESCAPE + 1))
    if at < 0:
        return len(written)
    before = written[:at]
    run = at - len(before.rstrip("\\"))
    return at - run % 2  # the second backslash of a pair begins no escape


def _joined(text: str) -> str:
    """Halves of a surrogate pair, from two pieces, as one character. ValueError for a half alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16")
