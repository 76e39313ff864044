"""multipart/form-data (RFC 7578) out of a file: fields within a bound, files to the disk.

The parser works byte by byte where a body asks for it, so this belongs in a thread.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException

from api.receiving import IN_MEMORY, KIB

MOST_FIELD = 64 * KIB
MOST_PARTS = 64
_PIECE = 64 * KIB


@contextmanager
def parsed_form(body: IO[bytes], content_type: str) -> Iterator[FormData]:
    """The form in ``body``; its files are gone after the block. HTTPException 400 and 413, OSError."""
    _, parameters = parse_options_header(content_type)
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise HTTPException(400, "Missing boundary in multipart")
    with ExitStack() as files:
        parts = _Parts(files)
        try:
            parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]  # wants a TypedDict
            while piece := body.read(_PIECE):
                parser.write(piece)
            parser.finalize()
        except FormParserError as error:
            raise HTTPException(400, f"This is no multipart body: {error}") from None
        yield FormData(parts.items)


@dataclass(slots=True)
class _Parts:
    """What the parser finds."""

    files: ExitStack
    items: list[tuple[str, UploadFile | str]] = field(default_factory=list)
    _count: int = 0
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    _name: str = ""
    _field: bytearray = field(default_factory=bytearray)
    _upload: UploadFile | None = None

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._count += 1
        if self._count > MOST_PARTS:
            raise HTTPException(400, f"A form may have {MOST_PARTS} parts")
        self._headers, self._field, self._upload = [], bytearray(), None

    def _header_end(self) -> None:
        self._headers.append((bytes(self._header.lower()), bytes(self._value)))
        self._header, self._value = bytearray(), bytearray()

    def _open(self) -> None:
        disposition = dict(self._headers).get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise HTTPException(400, 'Each part needs a Content-Disposition with a "name"')
        self._name = _text(options[b"name"])
        if b"filename" in options:
            file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - `files` closes it
            self.files.enter_context(file)
            self._upload = UploadFile(
                file,  # type: ignore[arg-type]  # it does what one does
                size=0,
                filename=_text(options[b"filename"]),
                headers=Headers(raw=self._headers),
            )

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._upload is not None:
            self._upload.file.write(data[start:end])
            self._upload.size = (self._upload.size or 0) + end - start
            return
        self._field += data[start:end]
        if len(self._field) > MOST_FIELD:
            raise HTTPException(
                413, f"A field of a form may have {MOST_FIELD} bytes; send a long text as JSON"
            )

    def _end(self) -> None:
        if self._upload is not None:
            self._upload.file.seek(0)
        self.items.append((self._name, self._upload or _text(bytes(self._field))))


def _text(sent: bytes) -> str:
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return sent.decode("latin-1")
