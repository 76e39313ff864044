"""A scan of untrusted JSON before it is parsed.

A parser makes objects of what it reads: 45 MB of nested brackets become 3 GB of them. So one pass with
counters only looks at the structure first: how deep it is, and how large. One string may be long: a
document's text. The scan writes it to a file, so that memory never holds it as a whole. Grammar: RFC 8259.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO
from uuid import uuid4

DEEPEST = 32  # levels of objects and lists; filters and metadata may have fewer
MOST_STRUCTURE = 128 * 1024  # bytes of everything but the one long string
LONG = 32 * 1024  # bytes of a string, as it is written, from which on it counts as long
PIECE = 64 * 1024

# Possessive quantifiers: nothing is tried twice, so the time is linear.
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SURROGATES_HIGH = range(0xD800, 0xDC00)
_ESCAPE = 6  # characters of the longest escape, such as \u00e4


class TooMuch(ValueError):  # noqa: N818 - it names a condition
    """The JSON is too deep or too large; the message says which."""


class Scanner:
    """Takes JSON in pieces. Afterwards ``structure`` is to be parsed; in it, :attr:`placeholder` stands for
    the string that was written to ``long``."""

    def __init__(self, long: IO[bytes] | None = None) -> None:
        """``long`` None: no string may be long."""
        self.structure = bytearray()
        self.placeholder: str | None = None
        self._long = long
        self._inside = False  # of a string
        self._spooling = False  # the present string goes to ``long``
        self._escaped = b""
        self._string = 0  # where the present string begins in the structure
        self._depth = 0

    def feed(self, piece: bytes) -> None:
        """TooMuch as soon as a limit is passed."""
        piece, self._escaped = self._escaped + piece, b""
        at = 0
        while at < len(piece):
            at = self._scan_string(piece, at) if self._inside else self._scan_structure(piece, at)

    def _scan_structure(self, piece: bytes, at: int) -> int:
        """Scan what is outside of strings, and return where that ends."""
        quote = piece.find(b'"', at)
        end = len(piece) if quote < 0 else quote + 1
        if len(self.structure) + end - at > MOST_STRUCTURE:
            raise TooMuch(f"has over {MOST_STRUCTURE} bytes beside the text of a document")
        for character in piece[at:end]:
            if character in b"{[":
                self._depth += 1
                if self._depth > DEEPEST:
                    raise TooMuch(f"is nested over {DEEPEST} levels deep")
            elif character in b"}]":
                self._depth -= 1
        self.structure += piece[at:end]
        self._inside = quote >= 0
        self._string = len(self.structure)
        return end

    def _scan_string(self, piece: bytes, at: int) -> int:
        """Scan the inside of a string, and return where that ends."""
        match = _IN_STRING.match(piece, at)
        end = match.end() if match else at
        self._add_content(piece[at:end])
        if end == len(piece):
            return end
        if piece[end : end + 1] == b"\\":  # the first half of an escape; the other one is still to come
            self._escaped = piece[end:]
            return len(piece)
        self.structure += b'"'
        self._inside = self._spooling = False
        return end + 1

    def _add_content(self, content: bytes) -> None:
        if self._spooling and self._long is not None:
            self._long.write(content)
            return
        self.structure += content
        if len(self.structure) - self._string > LONG:
            if self._long is None or self.placeholder is not None:
                raise TooMuch(f"has a string of over {LONG} bytes; only a document's text may be longer")
            # Random, so that no other string of the body can look like it.
            self.placeholder = f"long-{uuid4().hex}"
            self._long.write(self.structure[self._string :])
            self.structure[self._string :] = self.placeholder.encode()
            self._spooling = True
        elif len(self.structure) > MOST_STRUCTURE:
            raise TooMuch(f"has over {MOST_STRUCTURE} bytes beside the text of a document")


def scan(file: IO[bytes], long: IO[bytes] | None) -> Scanner:
    """All of ``file``, from its present position. TooMuch."""
    scanner = Scanner(long)
    while piece := file.read(PIECE):
        scanner.feed(piece)
    return scanner


def content(long: IO[bytes]) -> Iterator[str]:
    """The characters of a string as JSON writes it, from the present position of ``long``, in pieces.

    ValueError where it is no such string, or not Unicode.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    written = high = ""
    while True:
        piece = long.read(PIECE)
        written += decoder.decode(piece, final=not piece)
        cut = _safe_cut(written) if piece else len(written)
        text = high + json.loads(f'"{written[:cut]}"')
        written, high = written[cut:], ""
        if text and ord(text[-1]) in _SURROGATES_HIGH and piece:
            text, high = text[:-1], text[-1]
        # Joins the halves of a surrogate pair that came in two pieces; a half alone is a ValueError.
        yield text.encode("utf-16", "surrogatepass").decode("utf-16")
        if not piece:
            return


def _safe_cut(written: str) -> int:
    """Where ``written`` may be cut without cutting an escape."""
    at = written.find("\\", max(0, len(written) - _ESCAPE + 1))
    if at < 0:
        return len(written)
    before = written[:at]
    run = at - len(before.rstrip("\\"))
    return at - run % 2  # the second backslash of a pair begins no escape
