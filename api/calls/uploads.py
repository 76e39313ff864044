"""From the body of ``POST /v1/documents`` to an ``Ingestion``.

Bodies come as files, in memory or on the disk: see :mod:`api.incoming.receiving`. Everything here reads and
hashes them, so it runs in a thread.
"""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, cast

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from api.calls.json_body import invalid_body, invalid_fields
from api.incoming.jsontext import LONG, TooMuch, content, scan
from api.incoming.multipart import MOST_FIELD, parsed_form
from api.incoming.receiving import IN_MEMORY, MIB
from api.schemas.bodies import DocumentIn, OnConflict
from rag.errors import DocumentTooLarge, InvalidRequest
from rag.media import HEAD_BYTES, media_type_of
from rag.model import Json
from rag.naming import document_id_of_file
from rag.settings import Settings
from tasks.submit.submissions import Ingestion, Link, Text, Upload

MAX_FILENAME = 255
_NOT_ONE = "Send exactly one of file (multipart), text and url"


@dataclass(frozen=True, slots=True)
class Received:
    """``body``: what was sent, as an Idempotency-Key compares it; a file by its sha256."""

    ingestion: Ingestion
    body: Json

    def on_conflict(self, asked: OnConflict | None) -> "Received":
        """With the query parameter ``on_conflict``. InvalidRequest where the body asks for the other."""
        if asked is None:
            return self
        if (self.body.get("on_conflict") or asked) != asked:
            raise InvalidRequest("on_conflict: the address and the body ask for different things")
        return Received(replace(self.ingestion, keep=asked == "keep"), {**self.body, "on_conflict": asked})


@contextmanager
def from_json(body: IO[bytes], settings: Settings) -> Iterator[Received]:
    """A JSON body with ``text`` or ``url``. A long text is in a file, which is removed after the block.

    Raises RequestValidationError, InvalidRequest, DocumentTooLarge, and OSError of the temporary folder.
    """
    with SpooledTemporaryFile(max_size=IN_MEMORY) as long, SpooledTemporaryFile(max_size=IN_MEMORY) as text:
        try:
            scanned = scan(body, long)
            fields = DocumentIn.model_validate_json(bytes(scanned.structure))
        except TooMuch as error:
            raise invalid_body(str(error)) from None
        except ValidationError as error:
            raise invalid_fields(error) from error
        if sum(source is not None for source in (fields.text, fields.url)) != 1:
            raise InvalidRequest(_NOT_ONE)
        if scanned.placeholder is None:
            yield _received(fields, _inline(fields, settings), settings)
            return
        # The long string may be the value of any field: only the text's may be so long.
        if fields.text != scanned.placeholder:
            raise invalid_body("only text may be so long")
        long.seek(0)
        yield _received(fields, _unescape(long, text, settings), settings)


def from_line(line: bytes, settings: Settings) -> Received:
    """A line of NDJSON, which is a body of :func:`from_json`. It raises the same."""
    if len(line) > LONG:
        with from_json(io.BytesIO(line), settings) as received:
            source = received.ingestion.source
            if isinstance(source, Upload):  # its file is removed after the block
                source = replace(source, file=io.BytesIO(source.file.read()))
            return replace(received, ingestion=replace(received.ingestion, source=source))
    try:
        scan(io.BytesIO(line), None)
        fields = DocumentIn.model_validate_json(line)
    except TooMuch as error:
        raise invalid_body(str(error)) from None
    except ValidationError as error:
        raise invalid_fields(error) from error
    if sum(source is not None for source in (fields.text, fields.url)) != 1:
        raise InvalidRequest(_NOT_ONE)
    return _received(fields, _inline(fields, settings), settings)


def _unescape(long: IO[bytes], into: IO[bytes], settings: Settings) -> Upload:
    """The text that ``long`` has as JSON writes it, as a file in UTF-8."""
    digest, size, blank = sha256(), 0, True
    try:
        for piece in content(long):
            data = piece.encode()
            digest.update(data)
            size += into.write(data)
            blank = blank and not piece.strip()
            _must_fit(size, settings)
    except ValueError as error:
        raise invalid_body(
            f"must be valid Unicode, without lone surrogates, in valid JSON: {error}", "text"
        ) from None
    if blank:
        raise invalid_body("is empty", "text")
    into.seek(0)
    return Upload(cast(BinaryIO, into), size, digest.hexdigest(), None, "text/plain")


@contextmanager
def from_multipart(content_type: str, body: IO[bytes], settings: Settings) -> Iterator[Received]:
    """A multipart body: :func:`from_form`. Its file is removed after the block."""
    with parsed_form(body, content_type) as form:
        yield from_form(form, settings)


def from_form(form: FormData, settings: Settings) -> Received:
    """A form with ``file``, or with ``text`` or ``url`` as fields. Raises UnsupportedMedia too."""
    values, file = _fields_of(form.multi_items())
    try:
        fields = DocumentIn.model_validate(values)
    except ValidationError as error:
        raise invalid_fields(error) from error
    if sum(source is not None for source in (fields.text, fields.url, file)) != 1:
        raise InvalidRequest(_NOT_ONE)
    if file is None:
        return _received(fields, _inline(fields, settings), settings)
    source = _upload_of(file, settings)
    received = _received(fields, source, settings)
    # The path in the file's name makes the id, so another path is another body for an Idempotency-Key.
    named = document_id_of_file(file.filename or "")
    told = [source.sha256, source.filename, source.media_type, *([named] if named != source.filename else [])]
    ingestion = replace(received.ingestion, document_id=received.ingestion.document_id or named or None)
    return Received(ingestion, {**received.body, "file": told})


def _fields_of(items: Sequence[tuple[str, UploadFile | str]]) -> tuple[Json, UploadFile | None]:
    """The form's fields and its file. A browser sends a field that was not filled in as an empty one, so
    these are left out."""
    values: Json = {}
    upload: UploadFile | None = None
    for name, value in items:
        if isinstance(value, UploadFile):
            if name != "file" or upload is not None:
                raise InvalidRequest("Send one file, in the part named 'file'")
            upload = value
        elif name in values:
            raise InvalidRequest(f"{name}: is there twice")
        elif name == "file":
            raise InvalidRequest("file: must be sent as a file, with a filename")
        elif value != "":
            values[name] = _parse_metadata(value) if name == "metadata" else value
    return values, upload


def _parse_metadata(text: str) -> Any:
    """The JSON of a form's field, scanned before it is parsed as any body is. InvalidRequest."""
    encoded = text.encode(errors="surrogatepass")
    if len(encoded) > MOST_FIELD:
        raise InvalidRequest(f"metadata: has over {MOST_FIELD} bytes")
    try:
        scan(io.BytesIO(encoded), None)
        return json.loads(text)
    except TooMuch as error:
        raise InvalidRequest(f"metadata: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"metadata: must be a JSON object: {error}") from error


def _inline(fields: DocumentIn, settings: Settings) -> Text | Link:
    if fields.text is None:
        return Link(str(fields.url))
    _must_fit(len(fields.text.encode()), settings)
    return Text(fields.text)


def _received(fields: DocumentIn, source: Upload | Text | Link, settings: Settings) -> Received:
    body = fields.model_dump(exclude_unset=True)
    match source:
        case Text(text):
            body["text"] = sha256(text.encode()).hexdigest()
        case Upload() if fields.text is not None:
            body["text"] = source.sha256
    ingestion = Ingestion(
        source=source,
        collection=fields.collection or settings.collection_name,
        document_id=fields.document_id,
        title=fields.title,
        metadata=fields.metadata or {},
        keep=fields.on_conflict == "keep",
    )
    return Received(ingestion, body)


def _upload_of(upload: UploadFile, settings: Settings) -> Upload:
    """The file at its beginning, with its digest and a type that a parser reads."""
    size = upload.size or 0
    if size == 0:
        raise InvalidRequest("file: is empty")
    _must_fit(size, settings)
    # The last part of the name only, printable and not overlong.
    name = PurePosixPath((upload.filename or "").replace("\\", "/")).name
    filename = "".join(filter(str.isprintable, name)).strip()[-MAX_FILENAME:] or None
    media_type = media_type_of(filename, upload.content_type, upload.file.read(HEAD_BYTES))
    digest = sha256()
    upload.file.seek(0)
    while piece := upload.file.read(MIB):
        digest.update(piece)
    upload.file.seek(0)
    return Upload(upload.file, size, digest.hexdigest(), filename, media_type)


def _must_fit(size: int, settings: Settings) -> None:
    if size > settings.max_upload_mb * MIB:
        raise too_large(settings)


def too_large(settings: Settings) -> DocumentTooLarge:
    return DocumentTooLarge(f"A document may have {settings.max_upload_mb} MB at most (MAX_UPLOAD_MB)")
