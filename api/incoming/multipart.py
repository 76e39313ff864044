"""multipart/form-data (RFC 7578, RFC 2046), read from a file: use it in a thread.

The time grows with the size of the body alone: boundaries are searched for, and no callback is made for a
line that only looks like one. Such a parser takes a second for two megabytes of such lines.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException

from api.incoming.receiving import IN_MEMORY, KIB
from rag.web.parameters import combined, decoded_words

MOST_FIELD = 64 * KIB
MOST_PARTS = 64
MOST_FILES = 8  # each is an open file, though a form may have only one in the end
MOST_BOUNDARY = 70  # bytes, by RFC 2046
MOST_HEADERS = 8 * KIB
_MOST_PADDING = KIB  # spaces after a boundary
_PIECE = 64 * KIB
_LINE, _HEADERS_END = b"\r\n", b"\r\n\r\n"
_PARAMETER = re.compile(
    rb';[ \t]*(?:([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*)))?[ \t]*', re.DOTALL
)
_ESCAPED = re.compile(rb'\\(["\\])')
_ESCAPED_BY_BROWSERS = re.compile("%(0A|0D|22)", re.IGNORECASE)
"""https://html.spec.whatwg.org/#multipart-form-data"""


@contextmanager
def parsed_form(body: IO[bytes], content_type: str) -> Iterator[FormData]:
    """The form in ``body``; its files are removed after the block. HTTPException 400 and 413, OSError."""
    items: list[tuple[str, UploadFile | str]] = []
    with ExitStack() as files:
        for part in form_parts(body, content_type):
            if len(items) == MOST_PARTS:
                raise HTTPException(400, f"A form may have {MOST_PARTS} parts")
            if part.filename is None:
                items.append((part.name, part.field()))
                continue
            if sum(isinstance(item, UploadFile) for _, item in items) == MOST_FILES:
                raise HTTPException(400, f"A form may have {MOST_FILES} files")
            file = files.enter_context(SpooledTemporaryFile(max_size=IN_MEMORY))
            size = sum(file.write(piece) for piece in part.content())
            file.seek(0)
            upload = UploadFile(file, size=size, filename=part.filename, headers=part.headers)  # type: ignore[arg-type]  # it has what a BinaryIO has
            items.append((part.name, upload))
        yield FormData(items)


@dataclass(frozen=True, slots=True)
class FormPart:
    """A part of a form. ``filename`` None: it is a field, and no file."""

    name: str
    filename: str | None
    headers: Headers
    multipart: "Multipart"

    def content(self) -> Iterator[bytes]:
        """The part's bytes, in pieces; to be read once, to the end. HTTPException 400."""
        return self.multipart.content()

    def field(self) -> str:
        """The part's text. HTTPException 400 and 413."""
        return _text(self.multipart.field())


def form_parts(body: IO[bytes], content_type: str) -> Iterator[FormPart]:
    """The parts of the form; all bytes of one must be read before the next. HTTPException 400."""
    multipart = Multipart(body, content_type)
    while (headers := multipart.next_part()) is not None:
        options = parameters(dict(headers).get(b"content-disposition", b""))
        if "name" not in options:
            raise HTTPException(400, 'Each part needs a Content-Disposition with a "name"')
        filename = _file_name(options["filename"]) if "filename" in options else None
        yield FormPart(_text(options["name"]), filename, Headers(raw=headers), multipart)


def _text(sent: bytes) -> str:
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return sent.decode("latin-1")


def _file_name(sent: bytes) -> str:
    name = decoded_words(_text(sent))
    return _ESCAPED_BY_BROWSERS.sub(lambda escape: chr(int(escape[1], 16)), name)


class Multipart:
    """The parts of ``body``, one after the other: call :meth:`next_part`, then read all of :meth:`content`.

    By RFC 2046 a line that begins with the boundary is one, so no part holds such a line; where the line
    continues with anything else, the body is refused. Text before the first and after the last boundary is
    skipped. All methods raise HTTPException 400.
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
        """Its headers, names in lower case; None after the last part."""
        while len(self._bytes) < 2:
            self._read()
        if self._bytes.startswith(b"--"):
            return None
        if self._until(_LINE, _MOST_PADDING).strip(b" \t"):
            raise HTTPException(400, "A line of a part may not begin with the boundary")
        self._bytes = _LINE + self._bytes  # so that a part without headers ends at once
        headers = []
        for line in filter(None, self._until(_HEADERS_END, MOST_HEADERS).split(_LINE)):
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip():
                raise HTTPException(400, "This is no header of a part")
            headers.append((name.lower(), value.strip(b" \t")))
        return headers

    def content(self) -> Iterator[bytes]:
        """The part's bytes, in pieces, up to the next boundary."""
        while (found := self._bytes.find(self._delimiter)) < 0:
            # The last bytes may be the begin of a boundary: they are kept until more has come.
            sure = max(0, len(self._bytes) - len(self._delimiter) + 1)
            piece, self._bytes = self._bytes[:sure], self._bytes[sure:]
            yield piece
            self._read()
        piece, self._bytes = self._bytes[:found], self._bytes[found + len(self._delimiter) :]
        yield piece

    def field(self) -> bytes:
        """The part's bytes, which are a field. HTTPException 413."""
        value = bytearray()
        for piece in self.content():
            value += piece
            if len(value) > MOST_FIELD:
                raise HTTPException(
                    413, f"A field of a form may have {MOST_FIELD} bytes; send a long text as JSON"
                )
        return bytes(value)

    def _until(self, end: bytes, most: int) -> bytes:
        """The bytes before ``end``, which is skipped."""
        while (found := self._bytes.find(end, 0, most + len(end))) < 0:
            if len(self._bytes) >= most + len(end):
                raise HTTPException(400, f"The headers of a part may have {most} bytes")
            self._read()
        before, self._bytes = self._bytes[:found], self._bytes[found + len(end) :]
        return before

    def _read(self) -> None:
        more = self._body.read(_PIECE)
        if not more:
            raise HTTPException(400, "This multipart body ends before its last boundary")
        self._bytes += more


def parameters(header: bytes) -> dict[str, bytes]:
    """The parameters of a header's value, by name in lower case; quoted values are unquoted.

    ``filename*`` goes before ``filename``: see :func:`combined`. HTTPException 400.
    """
    found: list[tuple[str, bytes]] = []
    position = header.find(b";")
    while 0 <= position < len(header):
        match = _PARAMETER.match(header, position)
        if match is None:
            raise HTTPException(400, "These are no parameters of a header")
        position = match.end()
        if match[1] is None:
            continue
        name = match[1].decode("latin-1").lower()
        value = match[3].strip() if match[2] is None else _ESCAPED.sub(rb"\1", match[2])
        found.append((name, value))
    return combined(found)
