"""multipart/form-data out of a file: fields within a bound, files to the disk. This belongs in a thread."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException

from api.multipart import Multipart, parameters
from api.receiving import IN_MEMORY, KIB

MOST_FIELD = 64 * KIB
MOST_PARTS = 64
MOST_FILES = 8
"""Each is an open file, though one is all that a form may have."""


@contextmanager
def parsed_form(body: IO[bytes], content_type: str) -> Iterator[FormData]:
    """The form in ``body``; its files are gone after the block. HTTPException 400 and 413, OSError."""
    multipart = Multipart(body, content_type)
    items: list[tuple[str, UploadFile | str]] = []
    with ExitStack() as files:
        while (headers := multipart.next_part()) is not None:
            if len(items) == MOST_PARTS:
                raise HTTPException(400, f"A form may have {MOST_PARTS} parts")
            options = parameters(dict(headers).get(b"content-disposition", b""))
            if "name" not in options:
                raise HTTPException(400, 'Each part needs a Content-Disposition with a "name"')
            name = _text(options["name"])
            if "filename" not in options:
                items.append((name, _field(multipart)))
                continue
            if sum(isinstance(item, UploadFile) for _, item in items) == MOST_FILES:
                raise HTTPException(400, f"A form may have {MOST_FILES} files")
            file = files.enter_context(SpooledTemporaryFile(max_size=IN_MEMORY))
            items.append((name, _upload(multipart, file, _text(options["filename"]), headers)))
        yield FormData(items)


def _field(multipart: Multipart) -> str:
    value = bytearray()
    for piece in multipart.content():
        value += piece
        if len(value) > MOST_FIELD:
            raise HTTPException(
                413, f"A field of a form may have {MOST_FIELD} bytes; send a long text as JSON"
            )
    return _text(bytes(value))


def _upload(
    multipart: Multipart, file: IO[bytes], filename: str, headers: list[tuple[bytes, bytes]]
) -> UploadFile:
    size = sum(file.write(piece) for piece in multipart.content())
    file.seek(0)
    return UploadFile(
        file,  # type: ignore[arg-type]  # it does what one does
        size=size,
        filename=filename,
        headers=Headers(raw=headers),
    )


def _text(sent: bytes) -> str:
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return sent.decode("latin-1")
