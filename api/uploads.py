"""A document on its way in: from a request's body to an ``Ingestion``.

Files come as multipart and are spooled to disk by the framework while they are read; the
body limit of :mod:`api.middleware` ends a body that is too long. Everything here reads
files and hashes, so it runs in a thread.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from api.bodies import DocumentIn
from rag.errors import DocumentTooLarge, InvalidRequest
from rag.media import HEAD_BYTES, media_type_of
from rag.model import Json
from rag.settings import Settings
from tasks.submit import Ingestion, Link, Text, Upload

MIB = 1 << 20
MAX_FILENAME = 255


@dataclass(frozen=True, slots=True)
class Received:
    """``body``: what was sent, as an Idempotency-Key compares it; a file by its sha256."""

    ingestion: Ingestion
    body: Json


def from_json(body: bytes, settings: Settings) -> Received:
    """A JSON body with ``text`` or ``url``.

    Raises RequestValidationError, InvalidRequest, DocumentTooLarge.
    """
    try:
        fields = DocumentIn.model_validate_json(body)
    except ValidationError as error:
        raise _refused(error) from error
    return _received(fields, None, settings)


def from_form(form: FormData, settings: Settings) -> Received:
    """A multipart form with ``file``, or with ``text`` or ``url`` as fields. Raises UnsupportedMedia too."""
    values, files = _parted(form.multi_items())
    try:
        fields = DocumentIn.model_validate(values)
    except ValidationError as error:
        raise _refused(error) from error
    return _received(fields, files, settings)


def _parted(items: Sequence[tuple[str, UploadFile | str]]) -> tuple[Json, UploadFile | None]:
    """The form's fields, empty ones left out as browsers mean it, and its file."""
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
            values[name] = _object(value) if name == "metadata" else value
    return values, upload


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"metadata: must be a JSON object: {error}") from error


def _received(fields: DocumentIn, upload: UploadFile | None, settings: Settings) -> Received:
    if sum(source is not None for source in (fields.text, fields.url, upload)) != 1:
        raise InvalidRequest("Send exactly one of file (multipart), text and url")
    body = fields.model_dump(exclude_unset=True)
    source: Upload | Text | Link
    if upload is not None:
        source = _upload(upload, settings)
        body["file"] = [source.sha256, source.filename, source.media_type]
    elif fields.text is not None:
        source = _text(fields.text, settings)
        body["text"] = sha256(fields.text.encode()).hexdigest()
    else:
        source = Link(str(fields.url))
    ingestion = Ingestion(
        source=source,
        collection=fields.collection or settings.collection_name,
        document_id=fields.document_id,
        title=fields.title,
        metadata=fields.metadata or {},
    )
    return Received(ingestion, body)


def _text(text: str, settings: Settings) -> Text:
    _must_fit(len(text.encode()), settings)
    return Text(text)


def _upload(upload: UploadFile, settings: Settings) -> Upload:
    """The file with its digest and readable type, standing at its beginning."""
    size = upload.size or 0
    if size == 0:
        raise InvalidRequest("file: is empty")
    _must_fit(size, settings)
    filename = _filename(upload.filename)
    media_type = media_type_of(filename, upload.content_type, upload.file.read(HEAD_BYTES))
    upload.file.seek(0)
    digest = _sha256(upload.file)
    upload.file.seek(0)
    return Upload(upload.file, size, digest, filename, media_type)


def _sha256(file: BinaryIO) -> str:
    digest = sha256()
    while piece := file.read(MIB):
        digest.update(piece)
    return digest.hexdigest()


def _must_fit(size: int, settings: Settings) -> None:
    if size > settings.max_upload_mb * MIB:
        raise too_large(settings)


def too_large(settings: Settings) -> DocumentTooLarge:
    return DocumentTooLarge(f"A document may have {settings.max_upload_mb} MB at most (MAX_UPLOAD_MB)")


def _filename(sent: str | None) -> str | None:
    """The last part of the name, printable and not overlong; None when nothing is left."""
    name = PurePosixPath((sent or "").replace("\\", "/")).name
    kept = "".join(character for character in name if character.isprintable()).strip()
    return kept[-MAX_FILENAME:] or None


def _refused(error: ValidationError) -> RequestValidationError:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])
