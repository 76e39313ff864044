"""A batch as a form: multipart/form-data with many files."""

from collections.abc import Iterator
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO

from starlette.datastructures import FormData, Headers, UploadFile

from api.calls.batch_bodies import REFUSED, Defaults, require_few
from api.calls.uploads import from_form, too_large
from api.incoming.multipart import FormPart, form_parts
from api.incoming.receiving import MIB
from rag.errors import InvalidRequest
from tasks.submit.batch_drafts import Part, Refusal

_FIELDS = ("collection", "on_conflict", "metadata")
_FILES = ("file", "files")


class FormBody:
    """A file a document, in parts named ``file``; the other fields hold for all of them.

    HTTPException 400 and 413, InvalidRequest for a field that is about one document; DocumentTooLarge.
    """

    def __init__(self, body: IO[bytes], content_type: str, defaults: Defaults) -> None:
        self._body, self._content_type, self._defaults = body, content_type, defaults
        self._fields: list[tuple[str, str]] = []
        hashed, self.count = sha256(), 0
        for part in self._form():
            hashed.update(f"{part.name}\0{part.filename}\0".encode(errors="surrogatepass"))
            if part.filename is None:
                self._add_field(part)
                hashed.update(self._fields[-1][1].encode(errors="surrogatepass"))
                continue
            self.count += 1
            require_few(self.count, defaults.settings)
            content = sha256()
            for piece in part.content():
                content.update(piece)
            hashed.update(content.digest())
        self.digest = hashed.hexdigest()

    def parts(self) -> Iterator[Part | Refusal]:
        position = 0
        for part in self._form():
            if part.filename is None:
                part.field()
                continue
            try:
                yield self._part(position, part)
            except REFUSED as error:
                yield Refusal(position, error)
            position += 1

    def _form(self) -> Iterator[FormPart]:
        self._body.seek(0)
        return form_parts(self._body, self._content_type)

    def _add_field(self, part: FormPart) -> None:
        if part.name not in _FIELDS:
            told = ", ".join(_FIELDS)
            raise InvalidRequest(f"{part.name[:40]}: beside files, a form of a batch has only {told}")
        self._fields.append((part.name, part.field()))

    def _part(self, position: int, part: FormPart) -> Part:
        upload = received_file(part.content(), str(part.filename), part.headers, self._defaults)
        if part.name not in _FILES:
            raise InvalidRequest("Send each file in a part named 'file'")
        return form_part(position, upload, self._fields, self._defaults)


def received_file(
    content: Iterator[bytes], filename: str, headers: Headers | None, defaults: Defaults
) -> UploadFile:
    """A file at its beginning, in memory or on the disk; all of ``content`` is read. DocumentTooLarge."""
    file = SpooledTemporaryFile(max_size=MIB)  # noqa: SIM115 - closed once it is stored
    size, most = 0, defaults.settings.max_upload_mb * MIB
    for piece in content:
        size += len(piece)
        if size <= most:
            file.write(piece)
    if size > most:
        file.close()
        raise too_large(defaults.settings)
    file.seek(0)
    return UploadFile(file, size=size, filename=filename, headers=headers)  # type: ignore[arg-type]  # it has what a BinaryIO has


def form_part(position: int, upload: UploadFile, fields: list[tuple[str, str]], defaults: Defaults) -> Part:
    """The document that a file and the fields of a form make. It raises what ``from_form`` does."""
    try:
        received = from_form(FormData([*fields, ("file", upload)]), defaults.settings)
        return defaults.part(position, received)
    except REFUSED:
        upload.file.close()
        raise
