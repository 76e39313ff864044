"""A document on its way in: from a request's body to an ``Ingestion``.

Bodies come as files, in memory or on the disk: see :mod:`api.receiving`. Everything here reads
them and hashes, so it runs in a thread.
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

from api.bodies import DocumentIn, OnConflict
from api.forms import MOST_FIELD
from api.jsontext import TooMuch, content, weigh
from api.receiving import IN_MEMORY, MIB
from api.sent import refused, unfit
from rag.errors import DocumentTooLarge, InvalidRequest
from rag.media import HEAD_BYTES, media_type_of
from rag.model import Json
from rag.naming import document_id_of_file
from rag.settings import Settings
from tasks.submit import Ingestion, Link, Text, Upload

MAX_FILENAME = 255


@dataclass(frozen=True, slots=True)
class Received:
    """``body``: what was sent, as an Idempotency-Key compares it; a file by its sha256."""

    ingestion: Ingestion
    body: Json

    def on_conflict(self, asked: OnConflict | None) -> "Received":
        """With what the address asks for; None: nothing. InvalidRequest where the body asks for the other."""
        if asked is None:
            return self
        if (self.body.get("on_conflict") or asked) != asked:
            raise InvalidRequest("on_conflict: the address and the body ask for different things")
        return Received(replace(self.ingestion, keep=asked == "keep"), {**self.body, "on_conflict": asked})


@contextmanager
def from_json(body: IO[bytes], settings: Settings) -> Iterator[Received]:
    """A JSON body with ``text`` or ``url``. A long text is in a file, which is gone after the block.

    Raises RequestValidationError, InvalidRequest, DocumentTooLarge, and OSError of the temporary folder.
    """
    with SpooledTemporaryFile(max_size=IN_MEMORY) as long, SpooledTemporaryFile(max_size=IN_MEMORY) as text:
        try:
            weighed = weigh(body, long)
            fields = DocumentIn.model_validate_json(bytes(weighed.structure))
        except TooMuch as error:
            raise unfit(str(error)) from None
        except ValidationError as error:
            raise refused(error) from error
        if sum(source is not None for source in (fields.text, fields.url)) != 1:
            raise _not_one()
        if weighed.placeholder is None:
            yield _received(fields, _inline(fields, settings), settings)
            return
        if fields.text != weighed.placeholder:
            raise unfit("only text may be so long")
        long.seek(0)
        yield _received(fields, _write(long, text, settings), settings)


def _write(long: IO[bytes], into: IO[bytes], settings: Settings) -> Upload:
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
        raise unfit(
            f"must be valid Unicode, without lone surrogates, in valid JSON: {error}", "text"
        ) from None
    if blank:
        raise unfit("is empty", "text")
    into.seek(0)
    return Upload(cast(BinaryIO, into), size, digest.hexdigest(), None, "text/plain")


def from_form(form: FormData, settings: Settings) -> Received:
    """A multipart form with ``file``, or with ``text`` or ``url`` as fields. Raises UnsupportedMedia too."""
    values, file = _parted(form.multi_items())
    try:
        fields = DocumentIn.model_validate(values)
    except ValidationError as error:
        raise refused(error) from error
    if sum(source is not None for source in (fields.text, fields.url, file)) != 1:
        raise _not_one()
    if file is None:
        return _received(fields, _inline(fields, settings), settings)
    source = _upload(file, settings)
    received = _received(fields, source, settings)
    named = document_id_of_file(file.filename or "")
    told = [source.sha256, source.filename, source.media_type, *([named] if named != source.filename else [])]
    ingestion = received.ingestion
    return Received(
        replace(ingestion, document_id=ingestion.document_id or named or None),
        {**received.body, "file": told},
    )


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
    """Of a form's field, which is a file of nobody's: so it is weighed too."""
    encoded = text.encode(errors="surrogatepass")
    if len(encoded) > MOST_FIELD:
        raise InvalidRequest(f"metadata: has over {MOST_FIELD} bytes")
    try:
        weigh(io.BytesIO(encoded), None)
        return json.loads(text)
    except TooMuch as error:
        raise InvalidRequest(f"metadata: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"metadata: must be a JSON object: {error}") from error


def _not_one() -> InvalidRequest:
    return InvalidRequest("Send exactly one of file (multipart), text and url")


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
