"""multipart/form-data (RFC 7578, RFC 2046) cut into its parts, in time that grows with the body alone.

Bytes are looked for, never looked at one by one: a callback for every line that nearly is a boundary is
what makes a body of two megabytes cost a second.
"""

import re
from collections.abc import Iterator
from typing import IO
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException

from api.receiving import KIB

MOST_BOUNDARY = 70
"""Bytes, by RFC 2046."""
MOST_HEADERS = 8 * KIB
_MOST_PADDING = KIB  # of spaces behind a boundary
_PIECE = 64 * KIB
_LINE, _HEADERS_END = b"\r\n", b"\r\n\r\n"
_PARAMETER = re.compile(
    rb';[ \t]*(?:([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*)))?[ \t]*', re.DOTALL
)
_ESCAPED = re.compile(rb'\\(["\\])')
_EXTENDED_CHARSETS = frozenset({b"utf-8", b"iso-8859-1"})


class Multipart:
    """The parts of ``body``, one after the other: :meth:`next_part`, then all of :meth:`content`.

    A line that begins with the boundary is one, as RFC 2046 has it, so a part holds none; where such a
    line goes on otherwise the body is refused. What is before the first and behind the last is passed over.
    All methods raise HTTPException 400.
    """

    def __init__(self, body: IO[bytes], content_type: str) -> None:
        boundary = parameters(content_type.encode("latin-1", "replace")).get("boundary", b"")
        if not boundary:
            raise HTTPException(400, "Missing boundary in multipart")
        if len(boundary) > MOST_BOUNDARY:
            raise HTTPException(400, f"A boundary may have {MOST_BOUNDARY} bytes")
        self._body = body
        self._delimiter = _LINE + b"--" + boundary
        self._bytes = _LINE  # the first boundary needs no line before it
        for _ in self.content():
            pass

    def next_part(self) -> list[tuple[bytes, bytes]] | None:
        """Its headers, names in lower case; None behind the last part."""
        self._fill(2)
        if self._bytes.startswith(b"--"):
            return None
        if self._until(_LINE, _MOST_PADDING).strip(b" \t"):
            raise HTTPException(400, "A line of a part may not begin with the boundary")
        self._bytes = _LINE + self._bytes
        head = self._until(_HEADERS_END, MOST_HEADERS)
        return [_header(line) for line in head.split(_LINE) if line]

    def content(self) -> Iterator[bytes]:
        """The part's bytes, in pieces, up to the next boundary."""
        while (found := self._bytes.find(self._delimiter)) < 0:
            sure = max(0, len(self._bytes) - len(self._delimiter) + 1)
            piece, self._bytes = self._bytes[:sure], self._bytes[sure:]
            yield piece
            self._read()
        piece, self._bytes = self._bytes[:found], self._bytes[found + len(self._delimiter) :]
        yield piece

    def _until(self, end: bytes, most: int) -> bytes:
        """What is before ``end``, which is passed over."""
        while (found := self._bytes.find(end, 0, most + len(end))) < 0:
            if len(self._bytes) >= most + len(end):
                raise HTTPException(400, f"The headers of a part may have {most} bytes")
            self._read()
        before, self._bytes = self._bytes[:found], self._bytes[found + len(end) :]
        return before

    def _fill(self, size: int) -> None:
        while len(self._bytes) < size:
            self._read()

    def _read(self) -> None:
        more = self._body.read(_PIECE)
        if not more:
            raise HTTPException(400, "This multipart body ends before its last boundary")
        self._bytes += more


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise HTTPException(400, "This is no header of a part")
    return name.lower(), value.strip(b" \t")


def parameters(header: bytes) -> dict[str, bytes]:
    """Those behind a header's value, by name in lower case; ``filename*`` (RFC 8187) before ``filename``.

    Quoted values are unquoted. HTTPException 400.
    """
    found: dict[str, bytes] = {}
    extended: dict[str, bytes] = {}
    position = header.find(b";")
    while 0 <= position < len(header):
        match = _PARAMETER.match(header, position)
        if match is None:
            raise HTTPException(400, "These are no parameters of a header")
        position = match.end()
        if match[1] is None:
            continue
        name, value = match[1].decode("latin-1").lower(), _value(match)
        if name.endswith("*"):
            extended |= _extended(name[:-1], value)
        else:
            found.setdefault(name, value)
    return found | extended


def _value(parameter: "re.Match[bytes]") -> bytes:
    if parameter[2] is None:
        return parameter[3].strip()
    return _ESCAPED.sub(rb"\1", parameter[2])


def _extended(name: str, value: bytes) -> dict[str, bytes]:
    """As UTF-8; nothing where it is written in another charset than the two that RFC 8187 knows."""
    charset, _, rest = value.partition(b"'")
    text = unquote_to_bytes(rest.partition(b"'")[2])
    if charset.lower() not in _EXTENDED_CHARSETS:
        return {}
    return {name: text.decode(charset.decode(), "replace").encode()}
